import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject, ObjectReference } from '../../../../src/clients/kubernetes-client.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent, Mode, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { Deployment } from '../../../../src/driver/deployment.ts'
import { deployCluster } from '../../../../src/drivers/cloudnative-pg/deploy/deploy.ts'
import { isLeftBehind } from '../../../../src/drivers/cloudnative-pg/deploy/foreign-role.ts'
import { type CloudNativePgState, stateOf } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { unitNeeds } from '../../../../src/planning/order-units.ts'
import { applyAsSeen } from '../../../support/act-as-seen.ts'
import { around as kitContext } from '../../../support/flat/around.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, primary, replica, secrets } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const [dcA, dcB, dcC] = ['dc-a', 'dc-b', 'dc-c'].map((name) => name as SiteName) as [SiteName, SiteName, SiteName]
const streaming = (last: number) => ({ host: `192.0.2.${last}`, nodePort: 30432 })
const database = theDatabase({
  sites: {
    'dc-a': { name: 'pg-dc-a', streaming: streaming(11) },
    'dc-b': { name: 'pg-dc-b', streaming: streaming(12) },
    'dc-c': { name: 'pg-dc-c', streaming: streaming(13) },
  },
})
const two = databaseStack(database)
const stack: Stack = {
  ...two,
  sites: [
    ...two.sites,
    { name: dcC, platforms: { kubernetes: { kubeconfig: { env: 'KUBECONFIG' }, clusterId: 'uid-dc-c' } } },
  ],
}
const intent = (mode: Mode): Intent => ({ mode, from: dcA, to: dcB })
const ids = (steps: readonly PlannedStep[]): string[] => steps.map(({ id }) => id)

const peers = (names: Record<string, string>) => ({
  externalClusters: Object.entries(names).map(([name, serverName]) => ({
    name,
    plugin: { parameters: { serverName } },
  })),
})
const told = peers({ 'pg-dc-a': 'pg-dc-a-g1', 'pg-dc-b': 'pg-dc-b-g1' })
const follows = (who: string, of: string, more: object = {}) =>
  cluster(who, { replica: { self: who, primary: of, source: of }, ...told, ...more })

/** Where the failover from dc-a to dc-b ended the history of pg-dc-a. */
const fork = {
  schemaVersion: 1,
  serverName: 'pg-dc-a-g1',
  cluster: 'pg-dc-a',
  site: 'dc-a',
  forkedAt: '0/9000000',
  forkedFrom: 3,
  successor: 'pg-dc-b',
  at: '2026-11-21T06:00:00Z',
}

interface World {
  readonly clusters: Record<string, KubernetesObject | 'silent'>
  readonly says: Record<string, object>
  readonly forks?: readonly (typeof fork)[]
}
function around({ clusters, says, forks = [] }: World) {
  const patches: { readonly site: string; readonly patch: { readonly spec: Record<string, unknown> } }[] = []
  const kubernetes = (site: SiteName) => ({
    site,
    get: async ({ kind, name }: ObjectReference) => {
      if (kind === 'Secret' && name.startsWith('pg-'))
        return { apiVersion: 'v1', kind, metadata: { name }, data: { password: 'c2FtZQ==' } }
      const live = clusters[site] ?? null
      if (live === 'silent') throw siteError('site-unreachable', `${site} does not answer`, { retry: 'transient' })
      return kind === 'Cluster' && live !== null
        ? { ...live, metadata: { ...live.metadata, resourceVersion: '41' } }
        : null
    },
    list: async () => [],
    proxyGet: async () => ({ status: 200, body: JSON.stringify(says[site]) }),
    patch: async (_: unknown, patch: { readonly spec: Record<string, unknown> }) => patches.push({ site, patch }),
    exec: async () => ({ code: 0, stdout: '4\n', stderr: '' }),
  })
  const newest = async (
    _kind: string,
    prefix: string,
    _document: unknown,
    meant: (record: typeof fork) => boolean = () => true,
  ) => {
    const record = forks.find((one) => `database/${one.serverName}/${one.at}`.startsWith(prefix) && meant(one))
    return record === undefined ? null : { name: prefix, record }
  }
  const context = {
    stack,
    kubernetes,
    signal: AbortSignal.timeout(10_000),
    clock: { now: () => new Date('2026-11-21T06:05:00Z') },
    records: { newest },
    objectStore: () => ({
      location: { prefix: '', bucket: 'b', region: 'r', endpoint: 'e' },
      open: async () => ({ list: async () => [] }),
    }),
  } as unknown as FlatContext
  return { context, patches }
}

describe('the third site of a move', () => {
  test('follows the new active one once that one has settled; after a failover, once the end of the old history is on record', () => {
    const steps = (mode: Mode) => cloudNativePg.follow?.(database, dcC, intent(mode), stack) ?? []
    expect(steps('switchover')).toMatchObject([
      { id: 'database.redirect@dc-c', phase: 'PROTECT', needs: ['database.archive-checkpoint@dc-b'] },
    ])
    expect(steps('failover')).toMatchObject([
      { needs: ['database.archive-checkpoint@dc-b', 'database.mark-fork@dc-a'] },
    ])
    const planned = ids(cloudNativePg.move?.(database, {}, intent('failover'), stack) ?? [])
    for (const need of steps('failover')[0]?.needs ?? []) expect(planned).toContain(need)
  })

  test('learns of a site that rejoins where that one archives, and how it is streamed from', () => {
    const steps = cloudNativePg.follow?.(database, dcC, { mode: 'rejoin', from: dcB, to: dcA }, stack) ?? []
    expect(steps).toMatchObject([
      {
        id: 'database.publish-server-name@dc-c',
        needs: ['database.clone@dc-a'],
        parameters: { cluster: 'pg-dc-c', peer: 'pg-dc-a' },
      },
      { id: 'database.refresh-streaming@dc-c', needs: ['database.clone@dc-a'] },
    ])
  })
})

describe('a follower that has to follow the new active site', () => {
  const [step] = cloudNativePg.follow?.(database, dcC, intent('failover'), stack) ?? []
  const redirect = cloudNativePg.behaviours.redirect
  const settled = { settledLsn: '0/9000000' }
  const runOf = (world: World, begunAt = '2026-11-21T06:04:58Z') => {
    const { context, patches } = around(world)
    const run = {
      step,
      component: database,
      intent: intent('failover'),
      context,
      signal: context.signal,
      begunAt,
      proofOf: () => settled,
      applied: false,
    }
    return { run: run as unknown as FlatRun<typeof database.spec>, patches }
  }
  const after = { 'dc-b': { ...primary, timeLineID: 4, currentLsn: '0/9800000' } }
  const promoted = cluster('pg-dc-b', {
    ...peers({}),
    replica: { self: 'pg-dc-b', primary: 'pg-dc-b', source: 'pg-dc-a' },
    plugins: [{ name: 'barman-cloud.cloudnative-pg.io', parameters: { serverName: 'pg-dc-b-g3' } }],
  })

  test('gets primary, source and the name under which that one archives now, in one patch', async () => {
    const { run, patches } = runOf({
      clusters: { 'dc-b': promoted, 'dc-c': follows('pg-dc-c', 'pg-dc-a') },
      says: { ...after, 'dc-c': { ...replica, replayLsn: '0/9000000' } },
      forks: [fork],
    })
    await applyAsSeen(redirect as Behaviour<typeof database.spec>, run)
    expect(patches).toEqual([
      {
        site: 'dc-c',
        patch: {
          spec: {
            replica: { primary: 'pg-dc-b', source: 'pg-dc-b', promotionToken: null },
            ...peers({ 'pg-dc-a': 'pg-dc-a-g1', 'pg-dc-b': 'pg-dc-b-g3' }),
          },
        },
      },
    ])
  })

  test('is done when it has replayed what the new one wrote, on its timeline', async () => {
    const following = follows('pg-dc-c', 'pg-dc-b')
    const at = (replayLsn: string, timeLineID: number) =>
      redirect?.done(
        runOf({
          clusters: { 'dc-b': promoted, 'dc-c': following },
          says: { ...after, 'dc-c': { ...replica, replayLsn, timeLineID } },
        }).run,
      )
    expect(await at('0/8000000', 4)).toMatchObject({ is: 'pending' })
    expect(await at('0/9800000', 4)).toMatchObject({ is: 'done', proof: { timeline: 4, replayed: '0/9800000' } })
  })

  test('is left as it is where it has more than the new one, and named', async () => {
    const { run, patches } = runOf({
      clusters: { 'dc-b': promoted, 'dc-c': follows('pg-dc-c', 'pg-dc-a') },
      says: { ...after, 'dc-c': { ...replica, replayLsn: '0/9000001' } },
      forks: [fork],
    })
    expect(await redirect?.done(run)).toMatchObject({
      is: 'failed',
      code: 'history-forked',
      next: expect.stringContaining('--mode rejoin --to dc-c'),
    })
    expect(patches).toEqual([])
  })

  test('is never one that calls itself a primary', async () => {
    const { run } = runOf({
      clusters: { 'dc-b': promoted, 'dc-c': follows('pg-dc-c', 'pg-dc-c') },
      says: { ...after, 'dc-c': primary },
    })
    expect(await redirect?.done(run)).toMatchObject({ is: 'failed', code: 'not-a-replica' })
  })

  test('is waited for while it may be a moment of silence, and no longer', async () => {
    const world: World = { clusters: { 'dc-b': promoted, 'dc-c': 'silent' }, says: after }
    await expect(redirect?.done(runOf(world).run)).rejects.toMatchObject({ code: 'site-unreachable' })
    expect(await redirect?.done(runOf(world, '2026-11-21T06:04:30Z').run)).toMatchObject({
      is: 'failed',
      code: 'site-silent',
    })
  })
})

describe('a deploy over three sites', () => {
  const deployment = (observed: Deployment['observed'] = {}): Deployment => ({
    epoch: null,
    adopt: false,
    activeSite: dcA,
    roleOf: (site) => (site === dcA ? 'active' : 'passive'),
    observed,
  })
  const seen = { kind: 'answering', state: {}, role: 'passive', health: 'healthy', text: '', facts: [] } as const
  const needsOf = async (observed: Deployment['observed']) => {
    const { context } = around({ clusters: {}, says: {} })
    const places = await Promise.all(
      stack.sites.map(({ name }) => deployCluster(database, name, deployment(observed), kitContext(context))),
    )
    const placed = places.flat().map((unit) => ({ component: 'database', unit }))
    return unitNeeds(placed, () => [], 'dc-a')
  }

  test('begins with the active site, then clones both others from it: no two units wait for each other', async () => {
    const needs = await needsOf({})
    for (const site of ['dc-b', 'dc-c']) {
      expect(needs.get(`database.cluster@${site}`)).toContain('database.first-backup@dc-a')
      expect([...(needs.get(`database.streaming@${site}`) ?? [])]).toEqual(['database.cluster@dc-a'])
    }
    expect(needs.get('database.follow@dc-b')).toContain('database.cluster@dc-c')
    expect(needs.get('database.follow@dc-c')).toContain('database.cluster@dc-b')
  })
  test('adds a third site to two that are there', async () => {
    const needs = await needsOf({ 'dc-a': seen, 'dc-b': seen })
    expect(needs.get('database.cluster@dc-c')).toContain('database.first-backup@dc-a')
    expect(needs.get('database.follow@dc-b')).toContain('database.streaming@dc-b')
    expect(needs.get('database.streaming@dc-b')).toContain('database.cluster@dc-c')
  })

  const left = (live: KubernetesObject, says: object, forks: World['forks'] = []) => {
    const { context } = around({ clusters: { 'dc-c': live }, says: { 'dc-c': says }, forks })
    const roles: Deployment = {
      epoch: 2,
      adopt: false,
      activeSite: dcB,
      roleOf: (site) => (site === dcB ? 'active' : 'passive'),
      observed: {},
    }
    const place = { component: database, site: dcC, deployment: roles, context: kitContext(context) }
    return isLeftBehind(place, live as never, 'pg-dc-b')
  }
  test('has a follower that a move did not reach follow the active site', async () => {
    expect(await left(follows('pg-dc-c', 'pg-dc-a'), replica)).toBe(true)
    expect(await left(follows('pg-dc-c', 'pg-dc-a'), { ...replica, replayLsn: '0/9000000' }, [fork])).toBe(true)
    expect(await left(follows('pg-dc-c', 'pg-dc-b'), replica)).toBe(false)
  })
  test('refuses one that has more than the active site, and one that cannot say what it has', async () => {
    await expect(
      left(follows('pg-dc-c', 'pg-dc-a'), { ...replica, replayLsn: '0/9000028' }, [fork]),
    ).rejects.toMatchObject({
      code: 'history-forked',
    })
    // The lost site has rejoined meanwhile, and its followers know its new name: the timeline that they replayed is
    // the one that ended.
    const renamed = { ...fork, serverName: 'pg-dc-a-g0' }
    const parted = left(follows('pg-dc-c', 'pg-dc-a'), { ...replica, timeLineID: 3, replayLsn: '0/9000028' }, [renamed])
    await expect(parted).rejects.toMatchObject({ code: 'history-forked' })
    await expect(
      left(follows('pg-dc-c', 'pg-dc-a'), { ...replica, timeLineID: 3, replayLsn: '0/9000000' }, [renamed]),
    ).resolves.toBe(true)
    await expect(
      left(follows('pg-dc-c', 'pg-dc-a'), { ...replica, timeLineID: 5, replayLsn: '0/9000028' }, [renamed]),
    ).resolves.toBe(true)
    await expect(left(follows('pg-dc-c', 'pg-dc-a'), {})).rejects.toMatchObject({ code: 'database-not-answering' })
  })
  test('takes nothing for a follower that calls itself a primary, is amid a demotion, or follows an undeclared cluster', async () => {
    const amid = {
      ...follows('pg-dc-c', 'pg-dc-a'),
      status: { currentPrimary: 'pg-dc-c-1', switchReplicaClusterStatus: { inProgress: true } },
    }
    expect(await left(amid, replica)).toBe(false)
    expect(await left(follows('pg-dc-c', 'pg-dc-c'), primary)).toBe(false)
    expect(await left(follows('pg-dc-c', 'pg-dc-a'), primary)).toBe(false)
    expect(await left(follows('pg-dc-c', 'pg-elsewhere'), replica)).toBe(false)
  })
})

describe('what is planned and reported of three sites', () => {
  const at = (
    name: string,
    of: string,
    says: object,
    more: { readonly parted?: typeof fork } = {},
  ): Observed<CloudNativePgState> => ({
    kind: 'answering',
    state: stateOf(follows(name, of), { ...replica, ...says }, [], secrets, more as never),
    role: 'passive',
    health: 'healthy',
    text: '',
    facts: [],
  })
  const dead = { kind: 'silent', why: 'no answer' } as const
  const cut = { isWalReceiverActive: false }

  test('a failover names the site that holds more of the lost one, and counts what it would lose for certain', () => {
    const states = {
      'dc-a': dead,
      'dc-b': at('pg-dc-b', 'pg-dc-a', { ...cut, replayLsn: '0/9000000' }),
      'dc-c': at('pg-dc-c', 'pg-dc-a', { ...cut, replayLsn: '0/9000400' }),
    }
    expect(cloudNativePg.ahead?.(database, states, intent('failover'))).toMatchObject([
      { code: 'another-site-ahead', severity: 'warning', site: 'dc-c' },
    ])
    const loss = (to: SiteName) =>
      cloudNativePg.loss?.(database, states, { mode: 'failover', from: dcA, to }, '2026-11-21T06:05:00Z')
    expect(loss(dcB)?.bytes).toEqual([1024, null])
    expect(loss(dcC)?.bytes).toEqual([0, null])
    expect(cloudNativePg.ahead?.(database, states, { mode: 'failover', from: dcA, to: dcC })).toEqual([])
  })
  test('one that still streams is catching up, and one that follows another site is not compared', () => {
    const other = (of: string) => at('pg-dc-c', of, { ...cut, replayLsn: '0/9000400' })
    expect(
      cloudNativePg.ahead?.(
        database,
        { 'dc-a': dead, 'dc-b': at('pg-dc-b', 'pg-dc-a', {}), 'dc-c': other('pg-dc-a') },
        intent('failover'),
      ),
    ).toEqual([])
    expect(
      cloudNativePg.ahead?.(
        database,
        { 'dc-a': dead, 'dc-b': at('pg-dc-b', 'pg-dc-a', cut), 'dc-c': other('pg-dc-b') },
        intent('failover'),
      ),
    ).toEqual([])
  })

  const rejoin: Intent = { mode: 'rejoin', from: dcB, to: dcC }
  const active: Observed<CloudNativePgState> = {
    ...at('pg-dc-b', 'pg-dc-b', { isPrimary: true, timeLineID: 4 }),
    state: stateOf(
      cluster('pg-dc-b', { replica: { self: 'pg-dc-b', primary: 'pg-dc-b' }, ...peers({ 'pg-dc-c': 'pg-dc-c-g1' }) }),
      { ...primary, timeLineID: 4 },
      [],
      secrets,
    ),
  } as Observed<CloudNativePgState>
  test('the rejoin of a site that a move did not reach deletes nothing, and has it follow', () => {
    const steps =
      cloudNativePg.rejoin?.(database, { 'dc-b': active, 'dc-c': at('pg-dc-c', 'pg-dc-a', {}) }, rejoin, stack) ?? []
    expect(ids(steps)).not.toContain('database.remove-cluster@dc-c')
    expect(steps.find(({ action }) => action === 'redirect')).toMatchObject({
      site: 'dc-c',
      phase: 'START',
      parameters: { primary: 'pg-dc-b' },
    })
    expect(steps.find(({ action }) => action === 'clone')).toMatchObject({
      needs: expect.arrayContaining(['database.redirect@dc-c']),
      parameters: { serverName: 'pg-dc-c-g1' },
    })
  })
  test('the rejoin of a site that has more than the active one keeps what it has, and clones it anew', () => {
    const steps =
      cloudNativePg.rejoin?.(
        database,
        { 'dc-b': active, 'dc-c': at('pg-dc-c', 'pg-dc-a', {}, { parted: fork }) },
        rejoin,
        stack,
      ) ?? []
    expect(ids(steps)).toEqual(expect.arrayContaining(['database.keep-evidence@dc-c', 'database.remove-cluster@dc-c']))
    expect(steps.find(({ action }) => action === 'clone')).toMatchObject({ parameters: { serverName: 'pg-dc-c-g2' } })
  })

  test('a status says which of the two it is, and what mends it', () => {
    const found = (state: Observed<CloudNativePgState>) =>
      cloudNativePg
        .assess(database, { 'dc-b': active, 'dc-c': state }, null, {
          now: '2026-11-21T06:05:00Z',
          objectives: stack.objectives,
          activeSite: 'dc-b',
          stack,
        })
        .filter(({ code }) => ['follows-another', 'history-forked'].includes(code))
    expect(found(at('pg-dc-c', 'pg-dc-a', {}))).toMatchObject([
      { code: 'follows-another', next: expect.stringContaining('standby deploy') },
    ])
    expect(found(at('pg-dc-c', 'pg-dc-a', {}, { parted: fork }))).toMatchObject([
      { code: 'history-forked', next: expect.stringContaining('--mode rejoin --to dc-c') },
    ])
    expect(found(at('pg-dc-c', 'pg-dc-b', {}))).toEqual([])
  })
})
