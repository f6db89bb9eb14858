import { describe, expect, test } from '@jest/globals'
import type { Approval } from '../../../src/domain/approval.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { keepEvidence, newestBodies } from '../../../src/evidence/keep-evidence.ts'
import { learnFrom } from '../../../src/evidence/learn-durations.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { learnedText } from '../../../src/reporting/move-words.ts'
import { planText } from '../../../src/reporting/terminal.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { deployedToy, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

const approve = (digest: string): Approval => toyApproval(digest, { requestedBy: 'sam', reason: 'a drill' })

/** A stack on dc-a whose steps take their time. */
async function slowStack() {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const taking = (ms: number) => async (): Promise<void> => clock.pass(ms)
  const driver = toyDriver(toy, {
    demote: taking(4_000),
    promote: taking(11_000),
    start: taking(6_000),
    note: taking(2_500),
  })
  const world = (through: ConditionalStore = store) => toyWorld(toy, through, { clock, driver })
  return { store, world }
}

async function moved() {
  const at = await slowStack()
  const first = await planFailover(at.world(), { mode: 'switchover', to: 'dc-b' })
  const report = await executeFailover(at.world(), first.plan, approve(first.digest))
  expect(report.verdict).toBe('moved')
  return { ...at, first, report }
}

/** From the begin of one step to the end of another. */
function span({ steps }: MoveReport, from: string, to: string): number {
  const of = (id: string) => steps.find((step) => step.id === id)
  return Date.parse(of(to)?.endedAt ?? '') - Date.parse(of(from)?.begunAt ?? '')
}

describe('what a plan expects', () => {
  test('is a guess the first time, and says so', async () => {
    const { first } = await moved()
    expect(first.plan.predictions.learned).toEqual({ runs: 0, steps: 0 })
    expect(planText(first, { colour: false })).toContain('(first run: estimates)')
    expect(schemaErrors('plan.schema.json', { ...first.plan, stack: { name: 'toy', digest: '0'.repeat(64) } })).toEqual(
      [],
    )
  })

  test('is what the first move took when the second one is planned, although it goes the other way', async () => {
    const { world, report, first } = await moved()
    const second = await planFailover(world(), { mode: 'switchover', to: 'dc-a' })
    const took = span(report, 'witness.lock', 'witness.close')
    expect(took).toBe(23_500)
    expect(second.plan.predictions.duration).toBe(took)
    expect(second.plan.predictions.writeGap).toBe(span(report, 'database.demote@dc-a', 'application.start@dc-b'))
    expect(second.plan.predictions.duration).not.toBe(first.plan.predictions.duration)
    expect(second.plan.steps.find(({ id }) => id === 'database.promote@dc-a')?.expected).toBe(11_000)
    expect(second.plan.predictions.learned).toEqual({ runs: 1, steps: second.plan.steps.length })
    expect(planText(second, { colour: false })).toContain('(from 1 former run)')
  })

  test('is learned where a run knew the step, and a guess for the others', async () => {
    const { world } = await moved()
    const { plan } = await planFailover(world(), { mode: 'rejoin', to: 'dc-a' })
    expect(plan.predictions.learned).toEqual({ runs: 1, steps: plan.steps.length - 1 })
    expect(learnedText(plan)).toBe(`from 1 former run for 2 of 3 steps, estimates for the others`)
  })

  test('is no fact that binds: a plan stays good when more is learned between its approval and its start', async () => {
    const { store } = await moved()
    const [body] = await newestBodies(store, 1)
    if (body === undefined) throw new Error('the first move left no record')
    const other = await slowStack()
    const { plan, digest } = await planFailover(other.world(), { mode: 'switchover', to: 'dc-b' })
    await keepEvidence(other.store, body)
    expect((await planFailover(other.world(), { mode: 'switchover', to: 'dc-b' })).plan.predictions).not.toEqual(
      plan.predictions,
    )
    expect((await executeFailover(other.world(), plan, approve(digest))).verdict).toBe('moved')
  })
})

describe('what cannot be learned costs no plan', () => {
  const silent = async (): Promise<never> => {
    throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
  }

  test('evidence that cannot be read', async () => {
    const { store, world } = await moved()
    const { plan, executable } = await planFailover(world({ ...store, list: silent }), {
      mode: 'switchover',
      to: 'dc-a',
    })
    expect(executable).toBe(true)
    expect(plan.predictions.learned).toEqual({ runs: 0, steps: 0 })
  })

  test('evidence that hangs: what was read until then counts, and no plan waits longer than 2 s', async () => {
    const { store } = await moved()
    const hung = new Promise<never>(() => undefined)
    const took = awakeClock()
    expect(await learnFrom({ ...store, getText: () => hung })).toEqual(new Map())
    expect(took()).toBeLessThan(2_900)
  })

  test('many refused runs lie on the newest one that moved', async () => {
    const { store, world } = await moved()
    const [body] = await newestBodies(store, 1)
    if (body === undefined) throw new Error('the first move left no record')
    for (let n = 0; n < 25; n++)
      await keepEvidence(store, { ...body, run: `refused-${n}`, steps: [], processes: [], verdict: 'refused' })
    const { plan } = await planFailover(world(), { mode: 'switchover', to: 'dc-a' })
    expect(plan.predictions.learned).toEqual({ runs: 1, steps: plan.steps.length })
  })
})
