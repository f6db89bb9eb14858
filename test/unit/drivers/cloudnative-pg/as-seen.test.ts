import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { fenceStep } from '../../../../src/drivers/cloudnative-pg/failover/fence.ts'
import { FENCE, RESTARTING_IN_PLACE } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { TOUCHED } from '../../../../src/platform/kubernetes/compare-and-set.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, primary } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { planned } from './of-kit.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const stack = databaseStack(database)
const rejoin: Intent = { ...intent, mode: 'rejoin' }
const steps = [
  ...(cloudNativePg.move?.(database, {}, intent, stack) ?? []),
  planned(database, fenceStep(database, intent.from)),
  ...(cloudNativePg.rejoin?.(database, {}, rejoin, stack) ?? []),
]
const token = Buffer.from(
  JSON.stringify({
    latestCheckpointTimelineID: '3',
    latestCheckpointREDOLocation: '0/9000028',
    databaseSystemIdentifier: '77',
  }),
).toString('base64')

function stepOf(action: string, site: string): PlannedStep {
  const step = steps.find((one) => one.action === action && one.site === site)
  if (step === undefined) throw new Error(`no ${action} on ${site}`)
  return step
}
function behaviourOf(action: string): Behaviour<CloudNativePgSpec> {
  const behaviour = cloudNativePg.behaviours[action]
  if (behaviour === undefined) throw new Error(`no ${action}`)
  return behaviour
}

/** One object that was read at version 41, and the patches that are sent to it. */
function around(step: PlannedStep, live: KubernetesObject, says: object = primary) {
  const patches: { readonly patch: object; readonly options: { readonly resourceVersion?: string } }[] = []
  const sent: string[] = []
  const kubernetes = {
    site: step.site,
    async exec(_pod: unknown, _argv: unknown, { stdin = '' }: { readonly stdin?: string } = {}) {
      sent.push(stdin)
      return {
        code: 0,
        stdout: stdin.includes('pg_switch_wal') ? '0/A000000\u001f16777216\n' : 'f\u001fon\n',
        stderr: '',
      }
    },
    get: async () => ({ ...live, metadata: { ...live.metadata, resourceVersion: '41' } }),
    list: async () => [],
    proxyGet: async () => ({ status: 200, body: JSON.stringify(says) }),
    patch: async (_: unknown, patch: object, options: object = {}) => patches.push({ patch, options }),
  }
  const run = {
    step,
    component: database,
    intent,
    context: { stack, kubernetes: () => kubernetes, clock: { now: () => new Date() } },
    signal: AbortSignal.timeout(1_000),
    begunAt: new Date().toISOString(),
    proofOf: () => ({ token, timeline: 3 }),
  } as unknown as FlatRun<CloudNativePgSpec>
  return { run, patches, sent }
}

const replica = (self: string, primaryOne: string, more: object = {}) => ({
  replica: { self, primary: primaryOne, source: self === 'pg-dc-a' ? 'pg-dc-b' : 'pg-dc-a', ...more },
})
const effects: [string, string, KubernetesObject][] = [
  ['demote', 'dc-a', cluster('pg-dc-a')],
  ['promote', 'dc-b', cluster('pg-dc-b')],
  ['clear-token', 'dc-b', cluster('pg-dc-b', replica('pg-dc-b', 'pg-dc-b', { promotionToken: token }))],
  ['fence', 'dc-a', cluster('pg-dc-a')],
  [
    'publish-server-name',
    'dc-a',
    cluster('pg-dc-a', { externalClusters: [{ name: 'pg-dc-b', plugin: { parameters: { serverName: 'old' } } }] }),
  ],
]

describe('an effect on a cluster', () => {
  test.each(effects)(
    '%s on %s holds only for the version that was seen before the lock was looked at',
    async (action, site, live) => {
      const { run, patches } = around(stepOf(action, site), live)
      await applyAsSeen(behaviourOf(action), run)
      expect(patches).toMatchObject([{ options: { resourceVersion: '41' } }])
    },
  )

  test.each(effects)('%s on %s is never sent unseen', async (action, site, live) => {
    const { run, patches } = around(stepOf(action, site), live)
    await Promise.resolve(behaviourOf(action).apply?.(run)).catch(() => undefined)
    expect(patches).toEqual([])
  })

  test.each(effects)(
    '%s on %s that was left by an earlier process comes too late: its object gets another version, and stays',
    async (action, site, live) => {
      const { run, patches } = around(stepOf(action, site), live)
      await behaviourOf(action).invalidate?.(run)
      await behaviourOf(action).invalidate?.(run)
      const marks = patches.map(
        ({ patch }) => (patch as { metadata: { annotations: Record<string, string> } }).metadata.annotations[TOUCHED],
      )
      expect(new Set(marks).size).toBe(2)
      expect(patches.every(({ patch }) => !('spec' in patch))).toBe(true)
    },
  )
})

test('an operator that forgot a demotion is made to look again, and its object stays as it is', async () => {
  const { run, patches } = around(stepOf('demote', 'dc-a'), cluster('pg-dc-a'))
  await behaviourOf('demote').nudge?.send(run)
  expect(patches).toMatchObject([{ patch: { metadata: { annotations: { [TOUCHED]: expect.any(String) } } } }])
  expect(patches[0]?.patch).not.toHaveProperty('spec')
})

describe('taking back', () => {
  const demotion = stepOf('demote', 'dc-a')
  const undo = (live: KubernetesObject, says: object = primary) => {
    const { run, patches } = around(demotion, live, says)
    return undoAsSeen(behaviourOf('demote'), run).then((seen) => ({ seen, patches }))
  }

  test('a demotion makes the cluster primary again with its own token, if it is still as it was seen', async () => {
    const { patches } = await undo(cluster('pg-dc-a', replica('pg-dc-a', 'pg-dc-b'), { demotionToken: token }))
    expect(patches).toEqual([
      {
        patch: { spec: { replica: { primary: 'pg-dc-a', source: 'pg-dc-b', promotionToken: token } } },
        options: expect.objectContaining({ resourceVersion: '41' }),
      },
    ])
  })
  test('a demotion that is still in progress waits for its end', async () => {
    const status = { demotionToken: token, switchReplicaClusterStatus: { inProgress: true } }
    const { seen, patches } = await undo(cluster('pg-dc-a', replica('pg-dc-a', 'pg-dc-b'), status))
    expect(seen).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('the demotion of pg-dc-a to end') })
    expect(patches).toEqual([])
  })
  test('a demotion clears the token once the cluster is primary', async () => {
    const { patches } = await undo(cluster('pg-dc-a', replica('pg-dc-a', 'pg-dc-a', { promotionToken: token })))
    expect(patches).toMatchObject([
      { patch: { spec: { replica: { promotionToken: null } } }, options: { resourceVersion: '41' } },
    ])
    expect(patches[0]?.patch).not.toHaveProperty('spec.replica.primary')
  })
  test('a demotion asks for the restart after it: users are shut out as long', async () => {
    const again = cluster('pg-dc-a', replica('pg-dc-a', 'pg-dc-a'), { phase: 'Applying configuration' })
    const { patches } = await undo(again, { ...primary, pendingRestart: true })
    expect(patches).toMatchObject([
      { patch: { status: { phase: RESTARTING_IN_PLACE } }, options: { subresource: 'status', resourceVersion: '41' } },
    ])
  })
  test('a demotion ends with a checkpoint: until then the restarted primary ships nothing', async () => {
    const ready = [{ type: 'Ready', status: 'True' }]
    const { run, patches, sent } = around(
      demotion,
      cluster('pg-dc-a', replica('pg-dc-a', 'pg-dc-a'), { conditions: ready }),
    )
    expect(await undoAsSeen(behaviourOf('demote'), run)).toMatchObject({
      is: 'pending',
      waitingFor: 'a checkpoint of pg-dc-a',
    })
    expect(sent.filter((sql) => sql.includes('CHECKPOINT'))).toEqual([expect.stringContaining('pg_switch_wal')])
    expect(await behaviourOf('demote').undone?.(run)).toMatchObject({ is: 'done', proof: { archiveMode: 'on' } })
    expect(patches).toEqual([])
  })
  test('a fence removes the annotation that was seen, and nothing where there is none', async () => {
    const fenced = around(stepOf('fence', 'dc-a'), cluster('pg-dc-a', {}, {}, { [FENCE]: '["*"]' }))
    await undoAsSeen(behaviourOf('fence'), fenced.run)
    expect(fenced.patches).toMatchObject([
      { patch: { metadata: { annotations: { [FENCE]: null } } }, options: { resourceVersion: '41' } },
    ])
    const open = around(stepOf('fence', 'dc-a'), cluster('pg-dc-a'))
    await undoAsSeen(behaviourOf('fence'), open.run)
    expect(open.patches).toEqual([])
  })
})

test('whatever can be taken back on an object with versions says what it saw', () => {
  for (const [action, behaviour] of Object.entries(cloudNativePg.behaviours))
    if (behaviour.invalidate !== undefined && behaviour.undo !== undefined)
      expect([action, behaviour.undone]).toEqual([action, expect.any(Function)])
})
