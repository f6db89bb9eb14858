import { beforeAll, describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Intent, Plan, PlannedStep } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { parameterDefects } from '../../../src/planning/parameter-defects.ts'
import { refuseDefective } from '../../../src/planning/plan-defects.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import { isObject, type Json, type JsonObject } from '../../../src/values/json.ts'
import { EXAMPLES, exampleObservation } from '../../support/example-runbooks.ts'
import { pathOfStack } from '../../support/published-stacks.ts'
import { toyStep } from '../../support/toy-stack.ts'

/** One of each for all actions: each new one compiles the schema of schemas first. */
const strict = new Ajv2020({ strict: true })
const lenient = new Ajv2020()

const identity = { id: 'plan', nonce: '0'.repeat(32), toolVersion: 'example' }
let stack: Stack
beforeAll(async () => {
  stack = await loadStack(pathOfStack('infisical-kubernetes'), { drivers, witnesses })
})

const made = (intent: Intent): Plan => planMove(stack, exampleObservation(stack, intent), intent, drivers, identity)

/** The plan with other parameters in one of its steps. */
const forged = (plan: Plan, id: string, parameters: Json): Plan => ({
  ...plan,
  steps: plan.steps.map((step) => (step.id === id ? { ...step, parameters: parameters as JsonObject } : step)),
})

const refusal = (plan: Plan, run: string | null = null): unknown => {
  try {
    refuseDefective(plan, { stack, drivers, now: new Date(plan.madeAt) }, run)
    return null
  } catch (error) {
    return error
  }
}

/** A parameter of a type that this one does not have; one that is null here may have any simple type elsewhere. */
function ofAnotherType(value: Json): Json {
  if (value === null) return [['forged']]
  return typeof value === 'number' ? 'seven' : 7
}

describe.each(Object.values(EXAMPLES).map((intent): [string, Intent] => [intent.mode, intent]))(
  'the plan of a %s',
  (_mode, intent) => {
    test('has the parameters that its actions take', () => {
      expect(refusal(made(intent))).toBeNull()
    })

    test('is refused for each parameter that is missing, unknown or of another type, with its path within the step', () => {
      const plan = made(intent)
      const owned = plan.steps.filter(({ component }) => component !== 'witness')
      expect(owned.length).toBeGreaterThan(0)
      for (const { id, parameters } of owned) {
        const unknown = refusal(forged(plan, id, { ...parameters, forged: true }))
        expect(unknown).toMatchObject({ code: 'plan-defect' })
        expect(String(unknown)).toContain(`step ${id} has wrong parameters.forged: unknown key`)
        for (const [name, value] of Object.entries(parameters)) {
          const { [name]: _, ...rest } = parameters
          const other = refusal(forged(plan, id, { ...rest, [name]: ofAnotherType(value) }))
          expect(other).toMatchObject({ code: 'plan-defect' })
          expect(String(other)).toContain(`step ${id} has wrong parameters.${name}`)
        }
      }
    })
  },
)

test('a plan with wrong parameters says what to do next: a new plan before it is begun, taking the run back after', () => {
  const plan = made(EXAMPLES['infisical-kubernetes-switchover.md'])
  const { id } = plan.steps.find(({ parameters }) => Object.keys(parameters).length > 0) as PlannedStep
  expect(refusal(forged(plan, id, {}))).toMatchObject({ next: expect.stringContaining('Make a new plan') })
  expect(refusal(forged(plan, id, {}), 'r1')).toMatchObject({
    next: expect.stringContaining('standby failover abort --run r1'),
  })
})

describe.each(
  Object.values(drivers).flatMap(({ kind, actions }) =>
    actions.map((action) => [`${kind}.${action.name}`, action] as const),
  ),
)('the parameters of %s', (_name, action) => {
  test('are judged as ajv judges them', () => {
    const byAjv = strict.compile(action.parameters)
    const isTaken = (parameters: Json): boolean =>
      parameterDefects(toyStep('a.b', 'START', { parameters: parameters as JsonObject }), action).length === 0
    const properties = isObject(action.parameters.properties) ? Object.keys(action.parameters.properties) : []
    const values: readonly Json[] = [
      null,
      true,
      3,
      3.5,
      'text',
      [],
      ['text'],
      [3],
      {},
      { a: 'text' },
      { a: 3 },
      { a: null },
    ]
    const whole = Object.fromEntries(
      properties.map((name) => {
        const isValue = lenient.compile((action.parameters.properties as JsonObject)[name] as JsonObject)
        return [name, values.find((value) => isValue(value)) ?? null]
      }),
    )
    const forgeries = properties.flatMap((name) => {
      const { [name]: _, ...without } = whole
      return [without, ...values.map((value) => ({ ...whole, [name]: value }))]
    })
    for (const parameters of [whole, {}, { ...whole, forged: 1 }, ...forgeries])
      expect({ parameters, isTaken: isTaken(parameters) }).toEqual({ parameters, isTaken: byAjv(parameters) })
  })
})
