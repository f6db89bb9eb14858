import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject, ObjectReference } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { type ClusterObject, PLUGIN } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, primary, replica } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const switchover: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const ARCHIVES = { 'pg-dc-a': 'database-archive-dc-a', 'pg-dc-b': 'database-archive-dc-b' }
const NOTHING = 'database-no-archive'
const token = Buffer.from(
  JSON.stringify({
    latestCheckpointTimelineID: '3',
    latestCheckpointREDOLocation: '0/9000028',
    databaseSystemIdentifier: '77',
  }),
).toString('base64')

/** The list of other clusters as it is deployed, with another store for some of them. */
const peers = (stores: Partial<Record<keyof typeof ARCHIVES, string>> = {}): object[] =>
  Object.entries({ ...ARCHIVES, ...stores }).map(([name, barmanObjectName]) => ({
    name,
    connectionParameters: { host: '192.0.2.1' },
    plugin: { name: PLUGIN, parameters: { barmanObjectName, serverName: `${name}-g1` } },
  }))
const WITHOUT_A = peers({ 'pg-dc-a': NOTHING })
const WITHOUT_B = peers({ 'pg-dc-b': NOTHING })

interface World {
  readonly mode?: 'failover'
  readonly spec?: Partial<CloudNativePgSpec>
  /** What the Cluster of the step's site has otherwise than after a deploy. */
  readonly live?: object
  readonly status?: object
  /** What its instance says. */
  readonly says?: object
  /** What asking for the store that has nothing comes to. */
  readonly store?: 'there' | 'gone' | 'forbidden' | 'with-authorities'
  readonly proofs?: Readonly<Record<string, JsonObject>>
  /** Since when the step has been running; seconds. */
  readonly since?: number
}

/** One step of a switchover from dc-a to dc-b, and what it sends. */
function around(action: string, site: 'dc-a' | 'dc-b', world: World = {}) {
  const database = theDatabase(world.spec)
  const stack = databaseStack(database)
  const intent = { ...switchover, ...(world.mode === undefined ? {} : { mode: world.mode }) }
  const step = cloudNativePg
    .move?.(database, {}, intent, stack)
    .find((one) => one.action === action && one.site === site)
  if (step === undefined) throw new Error(`no ${action} on ${site}`)
  const object = cluster(`pg-${site}`, { externalClusters: peers(), ...world.live }, world.status)
  const patches: object[] = []
  const warnings: string[] = []
  const kubernetes: Partial<KubernetesClient> = {
    site,
    async get({ kind, name }: ObjectReference) {
      if (kind === 'Cluster')
        return { ...object, metadata: { ...object.metadata, resourceVersion: '41' } } as unknown as KubernetesObject
      if (world.store === 'forbidden') throw siteError('kubernetes-forbidden', 'a right is lacking')
      if (world.store === 'gone') return null
      const configuration = world.store === 'with-authorities' ? { endpointCA: { name, key: 'ca.crt' } } : {}
      return { apiVersion: 'v1', kind, metadata: { name }, spec: { configuration } }
    },
    proxyGet: async () => ({ status: 200, body: JSON.stringify({ ...replica, ...world.says }) }),
    patch: async (_ref, patch) => {
      patches.push((patch as { readonly spec: object }).spec)
      return object
    },
  }
  const now = new Date('2026-11-26T06:00:00Z')
  const run = {
    step,
    component: database,
    intent,
    context: {
      stack,
      kubernetes: () => kubernetes,
      clock: { now: () => now },
      log: { warning: (line: string) => warnings.push(line) },
    },
    signal: AbortSignal.timeout(1_000),
    begunAt: new Date(now.getTime() - (world.since ?? 0) * 1000).toISOString(),
    proofOf: (id: string) => world.proofs?.[id] ?? { token },
  } as unknown as FlatRun<CloudNativePgSpec>
  const behaviour = cloudNativePg.behaviours[action] as Behaviour<CloudNativePgSpec>
  return {
    patches,
    warnings,
    look: () => applyAsSeen(behaviour, run),
    readEarlierMove: () => undoAsSeen(behaviour, run),
  }
}
const caughtUp = (endIsHere: boolean) => ({ 'database.catch-up@dc-b': { endIsHere } })

describe('a replica that is to be promoted', () => {
  test('asks no archive from the moment at which users are shut out, and gets it back where the move is taken back', async () => {
    const { look, patches } = around('leave-archive', 'dc-b')
    await look()
    expect(patches).toEqual([{ externalClusters: WITHOUT_A }])
    const back = around('leave-archive', 'dc-b', { live: { externalClusters: WITHOUT_A } })
    expect(await back.look()).toMatchObject({ is: 'done', proof: { asksArchive: false } })
    await back.readEarlierMove()
    expect(back.patches).toEqual([{ externalClusters: peers() }])
    expect(await around('leave-archive', 'dc-b').readEarlierMove()).toMatchObject({ is: 'done' })
  })
  test.each<[string, World]>([
    ['it does not stream', { says: { isWalReceiverActive: false } }],
    ['the store that has nothing is gone, which would stop the operator', { store: 'gone' }],
    ['the identity may not look for that store', { store: 'forbidden' }],
    ['an archive has authorities, which the pods mount under its name', { store: 'with-authorities' }],
  ])('keeps its archive where %s', async (_, world) => {
    const { look, patches, warnings } = around('leave-archive', 'dc-b', world)
    expect(await look()).toMatchObject({ is: 'done', proof: { asksArchive: true } })
    expect(patches).toEqual([])
    expect(warnings).toHaveLength(world.store === 'forbidden' ? 1 : 0)
  })
  test('has no such step where it follows by the archive alone, or the archive is the in-tree one, which cannot be left', () => {
    expect(() => around('leave-archive', 'dc-b', { spec: { follow: 'archive' } })).toThrow('no leave-archive')
    expect(() =>
      around('leave-archive', 'dc-b', { spec: { archive: { method: 'in-tree', store: 'archive' } } }),
    ).toThrow('no leave-archive')
  })
  test('fetches from the archive what the stream has not brought within five seconds', async () => {
    const world = { live: { externalClusters: WITHOUT_A }, says: { replayLsn: '0/9000000' } }
    const early = around('catch-up', 'dc-b', { ...world, since: 4 })
    expect(await early.look()).toMatchObject({ is: 'pending' })
    expect(early.patches).toEqual([])
    const late = around('catch-up', 'dc-b', { ...world, since: 6 })
    await late.look()
    expect(late.patches).toEqual([{ externalClusters: peers() }])
    const again = around('catch-up', 'dc-b', { ...world, live: {}, since: 60 })
    await again.look()
    expect(again.patches).toEqual([])
  })
})

describe('the one patch of a promotion', () => {
  const promoted = { primary: 'pg-dc-b', promotionToken: token }
  test.each<[string, World, object]>([
    [
      'is of token and role alone where the archive was left before',
      { live: { externalClusters: WITHOUT_A }, proofs: caughtUp(true) },
      {},
    ],
    [
      'leaves the archive of a replica that has all that it reads, however it follows',
      { spec: { follow: 'archive' }, proofs: caughtUp(true) },
      { externalClusters: WITHOUT_A },
    ],
    ['keeps an archive that may not be left', { store: 'gone', proofs: caughtUp(true) }, {}],
    [
      'keeps the archive of a replica that lacks the history of its timeline, or its last segment',
      { proofs: caughtUp(false) },
      {},
    ],
    [
      'gives such a replica its archive back',
      { live: { externalClusters: WITHOUT_A }, proofs: caughtUp(false) },
      { externalClusters: peers() },
    ],
  ])('%s', async (_, world, more) => {
    const { look, patches } = around('promote', 'dc-b', world)
    await look()
    expect(patches).toEqual([{ replica: promoted, ...more }])
  })
})

describe('a primary that is demoted', () => {
  const demoted = { primary: 'pg-dc-b', source: 'pg-dc-b', promotionToken: null }
  const active: World = { live: { replica: { self: 'pg-dc-a', primary: 'pg-dc-a', source: 'pg-dc-b' } } }
  test.each<[string, World, object]>([
    ['comes back without asking an archive', {}, { externalClusters: WITHOUT_B }],
    ['asks the archive where it has nothing else to follow by', { spec: { follow: 'archive' } }, {}],
    ['asks the archive where it may not be left', { store: 'gone' }, {}],
  ])('%s', async (_, world, more) => {
    const { look, patches } = around('demote', 'dc-a', { ...active, ...world })
    await look()
    expect(patches).toEqual([{ replica: demoted, ...more }])
  })
  test('that is taken back has its archive again as soon as it serves', async () => {
    const live = {
      replica: { self: 'pg-dc-a', primary: 'pg-dc-a', source: 'pg-dc-b', promotionToken: token },
      externalClusters: WITHOUT_B,
    }
    const { readEarlierMove, patches } = around('demote', 'dc-a', { live, says: primary })
    await readEarlierMove()
    expect(patches).toEqual([{ replica: { promotionToken: null }, externalClusters: peers() }])
  })
})

test('a failover gives the archive back that a switchover left before its site was lost: what it holds is to be replayed', async () => {
  const { look, patches } = around('drain-archive', 'dc-b', { mode: 'failover', live: { externalClusters: WITHOUT_A } })
  expect(await look()).toMatchObject({ is: 'pending', waitingFor: 'pg-dc-b to ask the archive again' })
  expect(patches).toEqual([{ externalClusters: peers() }])
})

describe('after a move', () => {
  const follower = { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' }, externalClusters: WITHOUT_B }
  const settled = { 'database.archive-checkpoint@dc-b': { settledLsn: '0/9000000' } }
  test('the old side asks the archive again when it follows', async () => {
    const { look, patches } = around('follow', 'dc-a', { live: follower, proofs: settled })
    expect(await look()).toMatchObject({ is: 'pending', waitingFor: 'pg-dc-a to ask the archive again' })
    expect(patches).toEqual([{ externalClusters: peers() }])
    const over = around('follow', 'dc-a', { live: { ...follower, externalClusters: peers() }, proofs: settled })
    expect(await over.look()).toMatchObject({ is: 'done' })
  })
  test('one that does not come to follow by the stream asks it after a quarter of a minute', async () => {
    const world: World = { live: follower, proofs: settled, says: { replayLsn: '0/1000000' } }
    const early = around('follow', 'dc-a', { ...world, since: 14 })
    await early.look()
    expect(early.patches).toEqual([])
    const late = around('follow', 'dc-a', { ...world, since: 16 })
    await late.look()
    expect(late.patches).toEqual([{ externalClusters: peers() }])
  })
  test.each<[string, Partial<ClusterObject['spec']>]>([
    ['the used token', { replica: { primary: 'pg-dc-b', promotionToken: token } }],
    [
      'the archive that was left',
      { replica: { primary: 'pg-dc-b' }, externalClusters: WITHOUT_A as { readonly name: string }[] },
    ],
  ])('%s does not stay as it was for the promotion', async (_, live) => {
    const { look, patches } = around('clear-token', 'dc-b', { live })
    expect(await look()).toMatchObject({ is: 'pending' })
    expect(patches).toEqual([
      {
        replica: { promotionToken: null },
        ...(live.externalClusters === undefined ? {} : { externalClusters: peers() }),
      },
    ])
    const over = around('clear-token', 'dc-b', { live: { replica: { primary: 'pg-dc-b' } } })
    expect(await over.look()).toMatchObject({ is: 'done' })
    expect(over.patches).toEqual([])
  })
})
