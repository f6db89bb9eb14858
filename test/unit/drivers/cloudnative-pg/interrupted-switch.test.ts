import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { leftOfSwitch } from '../../../../src/drivers/cloudnative-pg/left-of-switch.ts'
import * as move from '../../../../src/drivers/cloudnative-pg/move/demote.ts'
import { FENCE } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, primary } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const demote = behaviourOf(move.demote)
const READY = { type: 'Ready', status: 'True' }
const MEMORY = ['ReplicaClusterDesignatedPrimaryTransition', 'ReplicaClusterFencing', 'ReplicaClusterSwitch'].map(
  (type) => ({
    type,
    status: 'False',
  }),
)
/** What a demotion leaves whose direction was written back within its first second. */
const INTERRUPTED = { switchReplicaClusterStatus: { inProgress: true }, conditions: [READY, ...MEMORY] }

/** A Cluster that patches really change; its version counts them. */
function around(live: ReturnType<typeof cluster>, applied = false) {
  let now = { ...live, metadata: { ...live.metadata, resourceVersion: '41' } }
  const patches: object[] = []
  const kubernetes = {
    get: async () => now as unknown as KubernetesObject,
    proxyGet: async () => ({ status: 200, body: JSON.stringify(primary) }),
    exec: async () => ({ code: 0, stdout: '', stderr: '' }),
    async patch(_: unknown, patch: Record<string, Record<string, object>>, options: { resourceVersion?: string }) {
      expect(options.resourceVersion).toBe(now.metadata.resourceVersion)
      patches.push(patch)
      const annotations = { ...now.metadata.annotations, ...(patch.metadata?.annotations ?? {}) }
      const kept = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== null)) as Record<
        string,
        string
      >
      now = {
        ...now,
        metadata: {
          ...now.metadata,
          annotations: kept,
          resourceVersion: String(Number(now.metadata.resourceVersion) + 1),
        },
        spec: { ...now.spec, ...patch.spec },
        status: { ...now.status, ...patch.status },
      }
      return now
    },
  }
  const context = {
    stack: databaseStack(database),
    kubernetes: () => kubernetes,
    clock: { now: () => new Date() },
    log: { info: () => undefined, debug: () => undefined, warning: () => undefined },
  }
  const signal = AbortSignal.timeout(5_000)
  const step = planned(database, move.demoteStep(database, intent))
  const run = {
    step,
    component: database,
    intent,
    context,
    signal,
    begunAt: new Date().toISOString(),
    applied,
    proofOf: () => null,
  }
  return { run: run as unknown as FlatRun<CloudNativePgSpec>, patches, now: () => now }
}

describe('a demotion whose direction another controller writes back', () => {
  const reverted = {
    ...cluster('pg-dc-a'),
    metadata: {
      name: 'pg-dc-a',
      managedFields: [
        {
          manager: 'argocd-controller',
          time: '2026-11-29T12:00:04Z',
          fieldsV1: { 'f:spec': { 'f:replica': { 'f:primary': {} } } },
        },
      ],
    },
  }

  test('fails at once, with the name of the other one and the command that pauses it', async () => {
    expect(await demote.done(around(reverted, true).run)).toMatchObject({
      is: 'failed',
      code: 'reverted-by-others',
      why: expect.stringContaining('argocd-controller has changed spec.replica.primary of pg-dc-a back to pg-dc-a'),
      next: expect.stringContaining('--sync-policy none'),
    })
  })

  test('is due as ever before any process has tried it', async () => {
    expect(await demote.done(around(reverted).run)).toMatchObject({ is: 'pending', due: { resourceVersion: '41' } })
  })

  test('is not begun where another one writes it between the first look and the effect', async () => {
    const { run } = around(cluster('pg-dc-a'))
    expect(await demote.done(run)).toMatchObject({ is: 'pending', due: expect.anything() })
    const kubernetes = {
      ...run.context.kubernetes?.('dc-a' as SiteName),
      get: async () => reverted as unknown as KubernetesObject,
    }
    const later = {
      ...run,
      context: { ...run.context, kubernetes: () => kubernetes },
    } as unknown as FlatRun<CloudNativePgSpec>
    expect(await demote.done(later)).toMatchObject({
      is: 'failed',
      code: 'reverted-by-others',
      why: expect.stringContaining('a moment before it was to be set to pg-dc-b'),
    })
    // Beyond the point of no return it is shut again, whatever others write.
    expect(await demote.done({ ...later, pastReturn: true })).toMatchObject({ is: 'pending' })
    // One that is there from the first look on is no news.
    expect(await demote.done(around(reverted).run)).toMatchObject({ is: 'pending' })
  })

  test('is taken back with all that its operator remembers of it: the fence first, for PostgreSQL waits for it', async () => {
    const live = cluster('pg-dc-a', {}, INTERRUPTED, { [FENCE]: '["*"]', other: 'kept' })
    const { run, patches, now } = around(live)
    expect(await undoAsSeen(demote, run)).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('the fence, switchReplicaClusterStatus'),
    })
    expect(patches).toMatchObject([
      { metadata: { annotations: { [FENCE]: null } } },
      { status: { switchReplicaClusterStatus: { inProgress: false } } },
    ])
    expect(now().metadata.annotations).toEqual({ other: 'kept' })
    expect(now().status?.conditions).toEqual([READY])
    expect(leftOfSwitch(now())).toBeNull()
  })

  test('leaves nothing in the way of the next one, which clears it before it begins', async () => {
    const { run, patches, now } = around(cluster('pg-dc-a', {}, { conditions: [READY, ...MEMORY] }))
    await applyAsSeen(demote, run)
    expect(patches).toMatchObject([
      { status: { switchReplicaClusterStatus: { inProgress: false } } },
      { spec: { replica: { primary: 'pg-dc-b' } } },
    ])
    expect(now().status?.conditions).toEqual([READY])
  })
})

test.each([
  [
    'a demotion that is under way',
    cluster('pg-dc-a', { replica: { self: 'pg-dc-a', primary: 'pg-dc-b' } }, INTERRUPTED, { [FENCE]: '["*"]' }),
  ],
  ['a primary that nothing happened to', cluster('pg-dc-a', {}, { conditions: [READY] })],
  [
    'the word that an earlier demotion ended well',
    cluster('pg-dc-a', {}, { conditions: [READY, { type: 'ReplicaClusterSwitch', status: 'True' }] }),
  ],
])('no interrupted demotion is seen in %s', (_, live) => {
  expect(leftOfSwitch(live)).toBeNull()
})
