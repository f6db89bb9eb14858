import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { measuredLoss } from '../../../../src/drivers/cloudnative-pg/failover/measured-loss.ts'
import { PLUGIN } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { applyAsSeen } from '../../../support/act-as-seen.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, states } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const stack = databaseStack(database)
const stepOf = (action: string): PlannedStep => {
  const step = cloudNativePg.move?.(database, states(), intent, stack).find((one) => one.action === action)
  if (step === undefined) throw new Error(`no ${action}`)
  return step
}

/** One cluster that is read, and what would be written to it. */
function around(live: KubernetesObject, proofs: Record<string, JsonObject> = {}) {
  const patches: { readonly patch: object; readonly options: object }[] = []
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async () => live,
    proxyGet: async () => ({ status: 503, body: '' }),
    patch: async (_ref, patch, options = {}) => {
      patches.push({ patch, options })
      return live
    },
  }
  const run = {
    step: stepOf('promote-without-token'),
    component: database,
    intent,
    context: { stack, kubernetes: () => kubernetes },
    signal: AbortSignal.timeout(1_000),
    begunAt: '2026-11-21T06:00:10Z',
    applied: false,
    proofOf: (id: string) => proofs[id] ?? null,
  } as unknown as FlatRun<CloudNativePgSpec>
  return {
    run,
    patches,
    promote: () => applyAsSeen(cloudNativePg.behaviours['promote-without-token'], run),
    ask: () => applyAsSeen(cloudNativePg.behaviours['ask-archive'], { ...run, step: stepOf('ask-archive') }),
  }
}
const asking = (barmanObjectName: string) => ({
  name: 'pg-dc-a',
  plugin: { name: PLUGIN, parameters: { barmanObjectName } },
})
/** As a deploy declares it. */
const PEER = { externalClusters: [asking('database-archive-dc-a')] }
const follower = (more: object = {}): KubernetesObject => {
  const live = cluster('pg-dc-b', more)
  return { ...live, metadata: { ...live.metadata, resourceVersion: '41' } } as unknown as KubernetesObject
}

describe('a promotion without a token', () => {
  test('holds only for the version of the cluster that was seen before the lock was looked at, and takes a left-over token away', async () => {
    const { promote, patches } = around(follower())
    await promote()
    expect(patches).toMatchObject([
      {
        patch: { spec: { replica: { primary: 'pg-dc-b', promotionToken: null } } },
        options: { resourceVersion: '41' },
      },
    ])
    expect(patches[0]?.patch).not.toHaveProperty('spec.replica.source')
  })
  test.each(['silent', 'stuck'])('asks its own archive instead of one that is %s', async (archive) => {
    const { promote, patches } = around(follower(), { 'database.drain-archive@dc-b': { archive } })
    await promote()
    expect(patches).toMatchObject([{ patch: { spec: { replica: { source: 'pg-dc-b' } } } }])
  })
  const drained = { 'database.drain-archive@dc-b': { archive: 'drained', endIsHere: true } }
  const closed = { 'database.close-archive@dc-a': { policy: 'closed' } }
  test('asks no archive that was closed, and then drained', async () => {
    const { promote, patches } = around(follower(PEER), { ...drained, ...closed })
    await promote()
    expect(patches).toMatchObject([
      { patch: { spec: { replica: { primary: 'pg-dc-b' }, externalClusters: [asking('database-no-archive')] } } },
    ])
    expect(patches[0]?.patch).not.toHaveProperty('spec.replica.source')
  })
  test.each<[string, Record<string, JsonObject>]>([
    ['may still grow', drained],
    [
      'has what a promotion reads',
      { 'database.drain-archive@dc-b': { archive: 'drained', endIsHere: false }, ...closed },
    ],
    ['is not known to be drained', closed],
  ])('asks an archive that %s', async (_, proofs) => {
    const { promote, patches } = around(follower(PEER), proofs)
    await promote()
    expect(patches).toHaveLength(1)
    expect(patches[0]?.patch).not.toHaveProperty('spec.externalClusters')
  })
  test('names that archive again once users are served', async () => {
    const { ask, patches } = around(follower({ externalClusters: [asking('database-no-archive')] }))
    await ask()
    expect(patches).toMatchObject([{ patch: { spec: { externalClusters: [asking('database-archive-dc-a')] } } }])
    const named = around(follower(PEER))
    expect(await named.ask()).toMatchObject({ is: 'done' })
    expect(named.patches).toEqual([])
  })
  test('that is planned however it follows, and not for the in-tree archive, which cannot be left', () => {
    const planned = (more: Partial<CloudNativePgSpec>): boolean | undefined =>
      cloudNativePg.move?.(theDatabase(more), states(), intent, stack).some(({ action }) => action === 'ask-archive')
    expect([
      planned({}),
      planned({ follow: 'archive' }),
      planned({ archive: { method: 'in-tree', store: 'archive' } }),
    ]).toEqual([true, true, false])
  })
  test('that has happened is not repeated', async () => {
    const { promote, patches } = around(
      follower({ replica: { self: 'pg-dc-b', primary: 'pg-dc-b', source: 'pg-dc-a' } }),
    )
    await promote()
    expect(patches).toEqual([])
  })
  test('is refused for a cluster that follows another primary by now, or was made anew', async () => {
    const elsewhere = around(follower({ replica: { self: 'pg-dc-b', primary: 'pg-dc-c', source: 'pg-dc-c' } }))
    await expect(elsewhere.promote()).rejects.toMatchObject({ code: 'follows-another' })
    const anew = follower()
    const other = around({ ...anew, metadata: { ...anew.metadata, uid: 'another' } })
    await expect(other.promote()).rejects.toMatchObject({ code: 'another-database' })
    expect([...elsewhere.patches, ...other.patches]).toEqual([])
  })
})

describe('the loss that is counted', () => {
  const drained = { 'database.drain-archive@dc-b': { lastCommitAt: '2026-11-21T05:59:58.000Z' } }
  const count = (proofs: Record<string, JsonObject>, forkedAt = '0/9000000') =>
    measuredLoss(
      {
        ...around(follower(), proofs).run,
        proofOf: ({ id }: { readonly id: string }) => proofs[id] ?? null,
      } as unknown as Parameters<typeof measuredLoss>[0],
      forkedAt,
    )
  test('is exact against a primary that was fenced', () => {
    const fenced = { 'database.fence@dc-a': { endedAt: '0/9000100', fencedAt: '2026-11-21T06:00:01Z' } }
    expect(count({ ...drained, ...fenced })).toMatchObject({ bytes: [256, 256], seconds: [0, 3] })
    expect(count({ ...drained, ...fenced }, '0/9000100')).toMatchObject({ bytes: [0, 0], seconds: [0, 0] })
  })
  test('is no exact nothing against a primary that crashed: its last checkpoint is not its end', () => {
    const fenced = {
      'database.fence@dc-a': { state: 'in production', endedAt: null, fencedAt: '2026-11-21T06:00:01Z' },
    }
    expect(count({ ...drained, ...fenced })).toMatchObject({
      bytes: [0, null],
      seconds: [0, 3],
      why: expect.stringContaining('was not shut down in good order ("in production")'),
    })
  })
  test('has an open end against a silent one, and begins at the last position that was seen', () => {
    // The plan saw 0/9000000 on dc-a.
    expect(count(drained, '0/8FFFF00')).toMatchObject({ bytes: [256, null], seconds: [0, 12] })
    expect(count({}, '0/9000000')).toMatchObject({ bytes: [0, null], seconds: [0, null] })
  })
})
