import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent, Mode } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as failover from '../../../../src/drivers/cloudnative-pg/failover/fence.ts'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { seconds } from '../../../../src/values/duration.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, controlFile } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const fence = behaviourOf(failover.fence)
const stack = databaseStack(database)
const BEGUN = Date.parse('2026-11-21T06:00:00Z')
const STOPPED = 'dial unix /controller/run/.s.PGSQL.5432: connect: no such file or directory'

interface Around {
  /** Whether Kubernetes calls the pod ready. */
  readonly ready: boolean
  /** What the instance manager says; null: nothing. */
  readonly says: Partial<InstanceStatus> | null
  readonly after: number
  readonly fenced?: boolean
  /** The Cluster object is deleted. */
  readonly gone?: boolean
  /** What pg_controldata prints. */
  readonly control?: string
  readonly mode?: Mode
  /** Collects the commands that are run in the pod; without it no command may be run. */
  readonly commands?: string[][]
  /** Hears what the pod is deleted with. */
  readonly deletions?: object[]
}

/** A step on a site whose API server answers, some time after it began. */
function around(what: Around): FlatRun<CloudNativePgSpec> {
  const {
    ready,
    says,
    after,
    fenced = true,
    gone = false,
    control,
    mode = 'failover',
    commands = control === undefined ? undefined : [],
    deletions,
  } = what
  const live = cluster('pg-dc-a', {})
  const annotated = {
    ...live,
    metadata: { ...live.metadata, annotations: fenced ? { 'cnpg.io/fencedInstances': '["*"]' } : {} },
  }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: annotated.status?.currentPrimary ?? 'pg-dc-a-1', uid: 'uid-of-the-pod' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-a',
    get: async () => (gone ? null : (annotated as unknown as KubernetesObject)),
    list: async () => [pod as unknown as KubernetesObject],
    async proxyGet() {
      if (says === null) throw siteError('site-unreachable', 'the node does not answer', { retry: 'transient' })
      return { status: 200, body: JSON.stringify(says) }
    },
    async exec(_pod, command) {
      if (commands === undefined) throw siteError('kubernetes-forbidden', 'may not create pods/exec')
      commands.push([...command])
      return { code: 0, stdout: control ?? '', stderr: '' }
    },
    async remove({ name }, { uid, gracePeriod } = {}) {
      deletions?.push({ name, uid, gracePeriod })
      return true
    },
  }
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  return {
    step: planned(database, failover.fenceStep(database, intent.from)),
    component: database,
    intent: { ...intent, mode },
    context: { stack, log, kubernetes: () => kubernetes, clock: { now: () => new Date(BEGUN + after) } },
    signal: AbortSignal.timeout(1_000),
    begunAt: new Date(BEGUN).toISOString(),
    applied: true,
    proofOf: () => null,
  } as unknown as FlatRun<CloudNativePgSpec>
}

describe('the fence of a database whose node is dead', () => {
  const dead = { ready: false, says: null }

  test('is never claimed: the pod that stays "Running" is no proof, and neither is its silence', async () => {
    expect(await fence.done(around({ ...dead, after: seconds(5) }))).toMatchObject({ is: 'unknown' })
    expect(await fence.done(around({ ...dead, after: seconds(21) }))).toMatchObject({
      is: 'failed',
      code: 'fence-unproven',
    })
  })

  test('is waited for longer in a rejoin: no user waits, and the pods of a site that has just come back are not ready yet', async () => {
    expect(await fence.done(around({ ...dead, mode: 'rejoin', after: seconds(60) }))).toMatchObject({ is: 'unknown' })
    expect(await fence.done(around({ ...dead, mode: 'rejoin', after: seconds(121) }))).toMatchObject({
      is: 'failed',
      code: 'fence-unproven',
    })
  })

  test('is waited for while the pod is ready, or its instance manager speaks: that one may only be on its way down', async () => {
    expect(await fence.done(around({ ready: true, says: null, after: seconds(60) }))).toMatchObject({ is: 'unknown' })
    expect(await fence.done(around({ ready: false, says: { isPrimary: true }, after: seconds(60) }))).toMatchObject({
      is: 'pending',
    })
  })

  test('is not reported as open while the instance does not answer: only an annotation that is gone, or a server that runs, says that', async () => {
    expect(await fence.done(around({ ready: true, says: null, after: seconds(1), fenced: false }))).toMatchObject({
      is: 'pending',
      due: expect.anything(),
    })
    expect(
      await fence.done(around({ ready: true, says: { isPrimary: true, currentLsn: '0/1' }, after: seconds(1) })),
    ).toMatchObject({
      is: 'pending',
    })
    expect(await fence.done(around({ ready: true, says: null, after: seconds(1) }))).toMatchObject({ is: 'unknown' })
  })

  test('is taken back without waiting for what was dead before', async () => {
    const back = (after: number) => fence.undone?.(around({ ...dead, after, fenced: false }))
    expect(await back(seconds(5))).toMatchObject({ is: 'pending' })
    expect(await back(seconds(21))).toMatchObject({ is: 'done', proof: { currentLsn: null } })
  })
})

describe('a PostgreSQL that started in the moment in which its fence was heard', () => {
  const forgotten = { mightBeUnavailable: true, isPrimary: true, currentLsn: '1/1E000060' }
  const stops = async (says: Partial<InstanceStatus> | null, fenced = true): Promise<string[][]> => {
    const commands: string[][] = []
    const deletions: object[] = []
    await fence.nudge?.send(around({ ready: true, says, after: seconds(11), fenced, commands, deletions }))
    expect(deletions).toEqual([])
    return commands
  }

  test('is no fence that holds: its instance manager counts as fenced, and it takes writes', async () => {
    expect(await fence.done(around({ ready: true, says: forgotten, after: seconds(60) }))).toMatchObject({
      is: 'pending',
    })
  })
  test('is stopped, for its instance manager never looks again', async () => {
    expect(await stops(forgotten)).toEqual([['pg_ctl', 'stop', '--mode=fast', '--no-wait']])
  })
  test('is ended with its pod by the guard, which may run nothing: the next one reads of its fence before it starts', async () => {
    const deletions: object[] = []
    await fence.nudge?.send(around({ ready: true, says: forgotten, after: seconds(11), deletions }))
    expect(deletions).toEqual([{ name: 'pg-dc-a-1', uid: 'uid-of-the-pod', gracePeriod: seconds(10) }])
  })
  test('is the only one that is stopped: an instance that has not heard of its fence, is shutting down, is silent, or has no fence is left alone', async () => {
    expect(await stops({ ...forgotten, mightBeUnavailable: false })).toEqual([])
    expect(await stops({ mightBeUnavailable: true, mightBeUnavailableMaskedError: STOPPED })).toEqual([])
    expect(await stops(null)).toEqual([])
    expect(await stops(forgotten, false)).toEqual([])
  })
})

test('a postmaster that is seen stopped is the proof, whatever Kubernetes calls the pod', async () => {
  const says = { mightBeUnavailable: true, mightBeUnavailableMaskedError: STOPPED }
  expect(await fence.done(around({ ready: false, says, after: seconds(60) }))).toMatchObject({
    is: 'done',
    proof: { annotation: '["*"]' },
  })
})

test('names where the WAL ends only for a server that was shut down in good order', async () => {
  const says = { mightBeUnavailable: true, mightBeUnavailableMaskedError: STOPPED }
  const proofOf = (state: string) => fence.done(around({ ready: false, says, after: 0, control: controlFile(state) }))
  expect(await proofOf('shut down')).toMatchObject({ proof: { endedAt: '0/5000060' } })
  for (const state of ['in production', 'shutting down', 'in crash recovery', 'shut down in recovery'])
    expect(await proofOf(state)).toMatchObject({ is: 'done', proof: { state, endedAt: null } })
})

test('a fence leaves a cluster alone that a rejoin made anew under the same name', async () => {
  const made = { ...cluster('pg-dc-a'), metadata: { ...cluster('pg-dc-a').metadata, uid: 'of-the-new-one' } }
  const kubernetes = { get: async () => made, list: async () => [] }
  const run = {
    step: planned(theDatabase(), failover.fenceStep(theDatabase(), 'dc-a' as SiteName, 'of-the-old-one')),
    component: theDatabase(),
    context: { kubernetes: () => kubernetes },
    signal: AbortSignal.timeout(1_000),
  } as unknown as FlatRun<CloudNativePgSpec>
  expect(await fence.done(run)).toEqual({ is: 'done', proof: { cluster: null } })
})

describe('a Cluster that is gone', () => {
  test('is fenced in a failover all the same: the step proves that nothing of it runs', () => {
    expect(failover.fenceSteps(database, { 'dc-a': { kind: 'absent', why: '' } }, intent)).toMatchObject([
      { fence: 'database', site: 'dc-a' },
    ])
  })

  test('is not shut as long as a pod of it runs PostgreSQL', async () => {
    const run = around({ ready: true, says: { isPrimary: true }, after: 0, gone: true })
    const open = { ...run, step: { ...run.step, parameters: { cluster: 'pg-dc-a', uid: '' } } }
    expect(await fence.done(open)).toMatchObject({ is: 'pending' })
    const shut = around({
      ready: true,
      says: { mightBeUnavailable: true, mightBeUnavailableMaskedError: STOPPED },
      after: 0,
      gone: true,
    })
    expect(await fence.done({ ...shut, step: { ...shut.step, parameters: { cluster: 'pg-dc-a', uid: '' } } })).toEqual({
      is: 'done',
      proof: { cluster: null },
    })
  })
})
