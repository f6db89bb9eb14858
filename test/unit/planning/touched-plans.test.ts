import { beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Intent, Plan, PlannedStep } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { variesIn } from '../../../src/driver/ask.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { staleFacts } from '../../../src/planning/facts.ts'
import { blockers } from '../../../src/planning/findings.ts'
import { planDefects } from '../../../src/planning/plan-defects.ts'
import { planDifferences } from '../../../src/planning/plan-differences.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import { predictedTimes } from '../../../src/planning/predicted-times.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import { minutes } from '../../../src/values/duration.ts'
import { isObject, type Json, type JsonObject } from '../../../src/values/json.ts'
import { EXAMPLES, exampleObservation } from '../../support/example-runbooks.ts'
import { pathOfStack } from '../../support/published-stacks.ts'
import { rounds } from '../../support/rounds.ts'

/**
 * Fields that decide nothing: with another value a reader sees another text, and nothing else is done. By path in the
 * plan; `#` is any place in a list.
 */
const DECIDES_NOTHING = [
  /^id$/,
  /^nonce$/,
  /^madeIn$/,
  /^findings(\.#(\.(severity|component|site|what|next|code|unanswered))?)?$/,
  /^liveness\.sightings(\.#(\.(from|what))?)?$/,
]
/** Of a failover: where the measured loss comes from, in words; its ends where they show more than there is. */
const MEASURED = /^predictions\.loss(\.(why|bytes(\.#)?|seconds(\.#)?))?$/

const identity = { id: 'plan', nonce: '0'.repeat(32), toolVersion: 'example' }
const EXECUTED_AFTER = minutes(1)
const intents = Object.values(EXAMPLES).map((intent): [string, Intent] => [intent.mode, intent])
let stack: Stack

beforeAll(async () => {
  stack = await loadStack(pathOfStack('infisical-kubernetes'), { drivers, witnesses })
})

/** As at the planning, a minute later. */
function later(observation: Observation): Observation {
  return { ...observation, at: new Date(Date.parse(observation.at) + EXECUTED_AFTER).toISOString() }
}
const made = (intent: Intent): Plan => planMove(stack, exampleObservation(stack, intent), intent, drivers, identity)

/** What is planned a minute later in the world of the example, once for each pair of intents: planning is pure. */
const plannedLater = new Map<string, Plan>()
function planLater(seen: Observation, plan: Plan, intent: Intent): Plan {
  const key = JSON.stringify([intent, plan.intent])
  const known = plannedLater.get(key) ?? planMove(stack, seen, plan.intent, drivers, identity)
  plannedLater.set(key, known)
  return known
}

/** Why this plan would not be executed a minute after it was made, in the world of the example. */
function refusalsOf(plan: Plan, intent: Intent): string[] {
  const seen = later(exampleObservation(stack, intent))
  const defects = planDefects(plan, { stack, drivers, now: new Date(seen.at) })
  if (defects.length > 0) return defects
  const now = planLater(seen, plan, intent)
  const found = [
    ...blockers(now.findings),
    ...staleFacts(plan.facts, now.facts),
    ...planDifferences(plan, now, stack, drivers),
  ]
  return found.map((one) => JSON.stringify(one))
}

/** Every value of a plan, whole parts as well, by its path. */
function placesIn(value: Json, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  const parts: readonly [string | number, Json][] = Array.isArray(value)
    ? value.map((item, index) => [index, item])
    : Object.entries(isObject(value) ? value : {})
  const inside = parts.flatMap(([name, part]) => placesIn(part, [...path, name]))
  return path.length === 0 ? inside : [path, ...inside]
}
const named = (path: readonly (string | number)[]): string =>
  path.map((part) => (typeof part === 'number' ? '#' : part)).join('.')

function changed(value: Json, path: readonly (string | number)[], change: (old: Json) => Json | undefined): Json {
  const [first, ...rest] = path
  if (first === undefined) throw new Error('no place')
  const inner = (old: Json): Json | undefined => (rest.length === 0 ? change(old) : changed(old, rest, change))
  if (Array.isArray(value)) {
    const next = inner(value[Number(first)] ?? null)
    return next === undefined ? value.toSpliced(Number(first), 1) : value.with(Number(first), next)
  }
  const { [first]: old = null, ...others } = value as JsonObject
  const next = inner(old)
  return next === undefined ? others : { ...(value as JsonObject), [first]: next }
}

/** Something else of the same type, which no tolerance covers. */
function another(old: Json): Json {
  if (typeof old === 'string') return old === '' ? 'x' : `${old}x`
  if (typeof old === 'number') return old + 1_000_000
  if (typeof old === 'boolean') return !old
  if (old === null) return 'x'
  if (Array.isArray(old)) return [...old, another(old[0] ?? null)]
  return { ...(old as JsonObject), touched: true }
}

describe.each(intents)('the plan of a %s', (mode, intent) => {
  // How much may be lost is the wish of a person, in words in what is signed; it is nothing to compare.
  const isWish = (path: readonly (string | number)[]): boolean => named(path) === 'intent.acceptLoss'
  const decides = (path: string): boolean =>
    !DECIDES_NOTHING.some((one) => one.test(path)) && !(mode === 'failover' && MEASURED.test(path))

  test('is executed as it was made', () => {
    const plan = made(intent)
    expect(planDefects(plan, { stack, drivers, now: new Date(plan.madeAt) })).toEqual([])
    expect(refusalsOf(plan, intent)).toEqual([])
  })

  test('is never executed when one value that decides was altered', () => {
    const plan = made(intent) as unknown as Json
    const passed = placesIn(plan)
      .filter((path) => decides(named(path)) && !isWish(path))
      .filter((path) => refusalsOf(changed(plan, path, another) as unknown as Plan, intent).length === 0)
    expect(passed).toEqual([])
  })

  test('is never executed when one value that decides was taken away', () => {
    const plan = made(intent) as unknown as Json
    const passed = placesIn(plan)
      .filter((path) => decides(named(path)))
      .filter((path) => refusalsOf(changed(plan, path, () => undefined) as unknown as Plan, intent).length === 0)
    expect(passed).toEqual([])
  })

  test('is never executed when any two of its values were put in the place of each other', () => {
    const { steps } = made(intent)
    const plan = made(intent) as unknown as Json
    // What varies by nature, such as a number of replicas, may be another one within its bounds; those are their
    // drivers'.
    const varies = ([first, index, , parameter]: readonly (string | number)[]): boolean => {
      const step = first === 'steps' ? steps[Number(index)] : undefined
      const declared = stack.components.find(({ name }) => name === step?.component)
      return variesIn(drivers[declared?.driver ?? ''], step?.action ?? '')[String(parameter)] !== undefined
    }
    const places = placesIn(plan).filter((path) => decides(named(path)) && !varies(path))
    const at = (path: readonly (string | number)[]): Json =>
      path.reduce<Json>((value, part) => (value as Record<string | number, Json>)[part] ?? null, plan)
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.constantFrom(...places), (one, other) => {
        fc.pre(JSON.stringify(at(one)) !== JSON.stringify(at(other)) && !isWish(one))
        expect(refusalsOf(changed(plan, one, () => at(other)) as unknown as Plan, intent)).not.toEqual([])
      }),
      { numRuns: rounds(500) },
    )
  })
})

describe('the title of a step, which signers read', () => {
  const touched = (intent: Intent, action: string, change: (step: PlannedStep) => Partial<PlannedStep>): Plan => {
    const plan = made(intent)
    const steps = plan.steps.map((step) => (step.action === action ? { ...step, ...change(step) } : step))
    expect(steps).not.toEqual(plan.steps)
    return { ...plan, steps }
  }
  const switchover = EXAMPLES['infisical-kubernetes-switchover.md']
  const failover = EXAMPLES['infisical-kubernetes-failover.md']
  const wheres = (plan: Plan, now: Plan): string[] =>
    planDifferences(plan, now, stack, drivers).map(({ where }) => where)

  test('is never another one because a number of replicas moved', () => {
    const moved = (more: Partial<PlannedStep> = {}): Plan =>
      touched(switchover, 'stop', ({ parameters }) => ({ parameters: { ...parameters, before: 4 }, ...more }))
    expect(wheres(moved(), made(switchover))).toEqual([])
    expect(wheres(moved({ title: 'Looks at the application, changes nothing' }), made(switchover))).toEqual([
      expect.stringMatching(/^step .*stop.*, title$/),
    ])
  })

  test('names the dump that was approved, where a newer one was taken or none is seen since', () => {
    const restored = (plan: Plan): PlannedStep | undefined => plan.steps.find(({ action }) => action === 'restore')
    const planned = restored(made(failover))?.parameters.planned as JsonObject
    const newer = '2099-11-21T05:30:00Z'
    const since = (dump: JsonObject | undefined): Plan =>
      touched(failover, 'restore', ({ title, parameters: { planned: _, ...rest } }) => ({
        title: dump === undefined ? 'Starts the cache empty' : title.replace(String(planned.takenAt), newer),
        parameters: dump === undefined ? rest : { ...rest, planned: dump },
      }))
    for (const now of [since({ ...planned, takenAt: newer }), since(undefined)]) {
      expect(wheres(made(failover), now)).toEqual([])
      const differs = [expect.stringMatching(/^step .*restore.*, title$/)]
      expect(
        wheres(
          touched(failover, 'restore', () => ({ title: 'Looks at the cache, changes nothing' })),
          now,
        ),
      ).toEqual(differs)
      // What is shown is not what would be restored.
      expect(
        wheres(
          touched(failover, 'restore', () => ({ title: restored(now)?.title ?? '' })),
          now,
        ),
      ).toEqual(differs)
    }
  })
})

describe('a plan that was made to look better than it is', () => {
  const failover = EXAMPLES['infisical-kubernetes-failover.md']
  const bent = (intent: Intent, predictions: Partial<Plan['predictions']>): string[] => {
    const plan = made(intent)
    return refusalsOf({ ...plan, predictions: { ...plan.predictions, ...predictions } }, intent)
  }
  const lossOf = (intent: Intent) => made(intent).predictions.loss

  test('is refused where a failover is to lose less than was measured: seconds, what is likely, bytes of a silent site', () => {
    // Twenty minutes after the last shipment.
    const seen = exampleObservation(stack, failover)
    const plan = planMove(
      stack,
      { ...seen, at: new Date(Date.parse(seen.at) + minutes(20)).toISOString() },
      failover,
      drivers,
      identity,
    )
    const { loss } = plan.predictions
    const [, upper] = loss.seconds
    const differing = (more: Partial<Plan['predictions']['loss']>): string[] =>
      planDifferences(
        { ...plan, predictions: { ...plan.predictions, loss: { ...loss, ...more } } },
        plan,
        stack,
        drivers,
      ).map(({ where }) => where)
    expect(differing({ seconds: [0, Number(upper) - 61] })).toEqual(['predictions.loss.seconds'])
    expect(differing({ likely: 0 })).toEqual(['predictions.loss.likely'])
    expect(differing({ bytes: [0, 0] })).toEqual(['predictions.loss.bytes'])
    expect(differing({ seconds: [0, Number(upper) - 59] })).toEqual([])
    expect(differing({ seconds: [0, null] })).toEqual([])
  })

  test('is refused where a move in good order says otherwise what becomes of the data', () => {
    for (const intent of [EXAMPLES['infisical-kubernetes-switchover.md'], EXAMPLES['infisical-kubernetes-rejoin.md']])
      expect(bent(intent, { loss: { ...lossOf(intent), why: 'all is kept' } }).join()).toContain('predictions.loss')
  })

  test('is refused where its times are not those of its steps, or those of no run are not the estimates', () => {
    const plan = made(failover)
    expect(bent(failover, { writeGap: 1_000 }).join()).toContain('its writeGap is 1000 ms')
    const steps = plan.steps.map((step) => ({ ...step, expected: 0 }))
    const times = predictedTimes(steps, failover)
    expect(refusalsOf({ ...plan, steps, predictions: { ...plan.predictions, ...times } }, failover).join()).toContain(
      'expected',
    )
  })

  test('is refused where a warning was taken out that follows from the plan itself', () => {
    const plan = made(failover)
    expect(plan.findings.map(({ code }) => code)).toContain('self-fencing-not-awaited')
    const findings = plan.findings.filter(({ code }) => code !== 'self-fencing-not-awaited')
    expect(refusalsOf({ ...plan, findings }, failover).join()).toContain('the finding self-fencing-not-awaited')
  })

  test('one that waited for its reviewer while the clock ran on is executed', () => {
    const seen = exampleObservation(stack, failover)
    const at = new Date(Date.parse(seen.at) + minutes(20)).toISOString()
    const now = planMove(stack, { ...seen, at }, failover, drivers, identity)
    expect(now.predictions.loss.seconds).not.toEqual(lossOf(failover).seconds)
    expect(planDifferences(made(failover), now, stack, drivers)).toEqual([])
  })
})
