import { describe, expect, test } from '@jest/globals'
import type { FenceLevel } from '../../../src/domain/fence-levels.ts'
import type { Observed } from '../../../src/domain/observed.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import { guard } from '../../../src/drivers/guard/driver.ts'
import { reachedFence } from '../../../src/evidence/reached-fence.ts'
import type { StepReport } from '../../../src/execution/step-report.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import { levelsText } from '../../../src/reporting/move-words.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const at = '2026-11-20T12:00:00.000Z'
const answering = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 } as const
const silent = { kind: 'silent', why: 'no answer within 3 s', cause: 'no-answer', triedFrom: ['this runner'] } as const
const toy = toyDriver({ writer: 'dc-a', effects: [] })

function plan(
  failover: FenceLevel,
  more: {
    readonly closeAfter?: string
    readonly answers?: boolean
    readonly guard?: Observed
    readonly driver?: Partial<FlatDriver>
    readonly mode?: 'switchover'
  } = {},
): Plan {
  const spec = more.closeAfter === undefined ? {} : { closeAfter: more.closeAfter }
  const stack: Stack = {
    ...toyStack,
    fencing: { switchover: 'database', failover },
    components: [...toyStack.components, { name: 'guard', driver: 'guard', needs: [], spec }],
  }
  const active = { schemaVersion: 1, stack: 'toy', epoch: 4, activeSite: 'dc-a', since: at, run: 'r' } as const
  const observation: Observation = {
    at,
    witness: { kind: 'answering', active, lock: null },
    sites: { 'dc-a': more.answers === true ? answering : silent, 'dc-b': answering },
    components: more.guard === undefined ? {} : { guard: { 'dc-a': more.guard } },
  }
  const drivers = { toy: liftedDriver({ ...toy, ...more.driver }), guard: guard as unknown as Driver }
  const [from, to] = ['dc-a' as SiteName, 'dc-b' as SiteName]
  const intent =
    more.mode === undefined
      ? { mode: 'failover' as const, from, to, acceptLoss: 60_000 }
      : { mode: more.mode, from, to }
  return planMove(stack, observation, intent, drivers, { id: 'p', nonce: 'n', toolVersion: '0' })
}
const waitOf = ({ steps }: Plan) => steps.find(({ action }) => action === 'self-fencing')
const found = ({ findings }: Plan) =>
  findings
    .filter(({ code }) => code === 'self-fencing-not-awaited' || code === 'fence-too-low')
    .map(({ code, severity }) => `${code} ${severity}`)
const CLOSES = { closeAfter: '30s' }

describe('a failover from a site that does not answer', () => {
  test.each(['application', 'database'] as const)(
    'waits for its guard when the stack demands %s, between naming the new site and promoting it',
    (level) => {
      const planned = plan(level, CLOSES)
      expect(waitOf(planned)).toMatchObject({
        phase: 'PROMOTE',
        needs: ['witness.activate@dc-b'],
        byTime: true,
        site: null,
      })
      const promotions = planned.steps.filter(
        ({ phase, irreversible, component }) => phase === 'PROMOTE' && irreversible && component !== 'witness',
      )
      expect(promotions.map(({ needs }) => needs)).toEqual([['witness.activate@dc-b', 'guard.self-fencing']])
      expect(planned.fencing).toEqual({
        required: level,
        planned: ['traffic', 'application', 'database'],
        byTime: ['application', 'database'],
      })
      expect(found(planned)).toEqual([])
    },
  )

  test('costs the wait, and the plan says so', () => {
    const [without, waits] = [plan('traffic', CLOSES), plan('database', CLOSES)]
    const wait = waitOf(waits)?.expected ?? 0
    expect(wait).toBeGreaterThan(30_000)
    expect(waits.predictions.duration - without.predictions.duration).toBe(wait)
  })

  test('does not wait when the stack demands traffic, and the plan says for how long there may be two writers', () => {
    const planned = plan('traffic', CLOSES)
    expect(waitOf(planned)).toBeUndefined()
    expect(planned.steps.find(({ id }) => id === 'database.promote@dc-b')?.needs).toEqual(['witness.activate@dc-b'])
    expect(found(planned)).toEqual(['self-fencing-not-awaited info'])
    expect(planned.findings.find(({ code }) => code === 'self-fencing-not-awaited')?.what).toMatch(
      /writes from inside.*for up to \d/,
    )
  })

  test('is refused when its guard promises no time, and the plan says what would mend that', () => {
    const planned = plan('database')
    expect(waitOf(planned)).toBeUndefined()
    expect(found(planned)).toEqual(['fence-too-low blocker'])
    expect(planned.findings.find(({ code }) => code === 'fence-too-low')?.next).toContain(
      'Declare closeAfter of guard, and deploy.',
    )
  })

  test('is refused when it promotes what no guard can close', () => {
    const { fence: _, ...bare } = toy
    const planned = plan('database', {
      ...CLOSES,
      driver: { ...bare, fence: undefined } as unknown as Partial<FlatDriver>,
    })
    expect(waitOf(planned)).toBeUndefined()
    expect(found(planned)).toContain('fence-too-low blocker')
  })

  test('does not wait when its power is off: that is proven', () => {
    const move: FlatDriver['move'] = (component, states, intent, stack) => [
      ...(toy.move?.(component, states, intent, stack) ?? []),
      ...(component.name === 'database' ? [toyStep('database.off', 'FENCE', { fence: 'power' })] : []),
    ]
    const planned = plan('database', { ...CLOSES, driver: { move } })
    expect(waitOf(planned)).toBeUndefined()
    expect(found(planned)).toEqual([])
  })
})

test('where the API of the site answers, the proven fence is enough: nothing is waited for', () => {
  const planned = plan('database', { ...CLOSES, answers: true })
  expect(waitOf(planned)).toBeUndefined()
  expect(planned.fencing).toEqual({ required: 'database', planned: ['traffic', 'database'] })
  expect(found(planned)).toEqual([])
})

test('a site that answers, is seen alive and cannot be fenced closes itself, though the stack demands only traffic', () => {
  const alive = { ...CLOSES, answers: true, driver: { fence: () => [] } }
  const seen = {
    kind: 'answering',
    state: { ready: 1, report: null },
    role: 'unknown',
    health: 'healthy',
    text: '',
    facts: [],
  } as const
  const planned = plan('traffic', { ...alive, guard: seen })
  expect(planned.fencing.required).toBe('database')
  expect(waitOf(planned)).toBeDefined()
  expect(found(planned)).toEqual([])
  // A guard that is not seen, where everything else is seen, is not trusted.
  for (const guard of [
    { kind: 'silent', why: 'forbidden' },
    { kind: 'absent', why: 'no Deployment' },
    { ...seen, health: 'down' },
  ] as const)
    expect(found(plan('traffic', { ...alive, guard }))).toContain('fence-too-low blocker')
})

test('a switchover waits for no guard', () => {
  expect(waitOf(plan('database', { ...CLOSES, answers: true, mode: 'switchover' }))).toBeUndefined()
})

test('a driver that calls a step of its own a fence by time makes no plan: only the wait before every promotion is one', () => {
  const move: FlatDriver['move'] = (component) =>
    component.name === 'database' ? [toyStep('database.hope', 'FENCE', { fence: 'database', byTime: true })] : []
  expect(() => plan('database', { ...CLOSES, driver: { move } })).toThrow(
    expect.objectContaining({ code: 'plan-defect' }),
  )
})

describe('the report of a failover', () => {
  const report = (planned: Plan, done: (id: string) => boolean): StepReport[] =>
    planned.steps.map(({ id }) => ({ id, outcome: done(id) ? 'done' : 'not-reached' }) as StepReport)

  test('names the levels that were reached by time as such', () => {
    const planned = plan('database', CLOSES)
    const reached = reachedFence(
      planned,
      report(planned, () => true),
    )
    expect(reached).toEqual({
      required: 'database',
      reached: ['traffic', 'application', 'database'],
      byTime: ['application', 'database'],
    })
    expect(levelsText(reached.reached, reached.byTime)).toBe('traffic, application (by time), database (by time)')
  })

  test('counts nothing that was not waited for to the end', () => {
    const planned = plan('database', CLOSES)
    expect(
      reachedFence(
        planned,
        report(planned, (id) => id !== 'guard.self-fencing'),
      ),
    ).toEqual({ required: 'database', reached: ['traffic'] })
  })
})
