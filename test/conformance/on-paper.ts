import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { reasonCodeMeanings } from '../../scripts/all-reason-codes.ts'
import { reaches } from '../../src/domain/fence-levels.ts'
import { changesActiveSite, PHASES, type PlannedStep } from '../../src/domain/plan.ts'
import { componentOf } from '../../src/domain/stack.ts'
import { byHandOf, levelsOf, objectStoreOf } from '../../src/driver/ask.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import type { ManualSurroundings } from '../../src/driver/manual.ts'
import { drivers, manualWitnesses } from '../../src/drivers/registry.ts'
import { REASON_CODES } from '../../src/errors/reason-codes.ts'
import { fenceLevels, isPromoted } from '../../src/planning/fence-coverage.ts'
import { orderProblems } from '../../src/planning/order-steps.ts'
import { isUnanswered } from '../../src/planning/unanswered.ts'
import { judge } from '../../src/stack/check-schema.ts'
import type { Fixture, Situation } from './fixture.ts'
import { actionOf, allOf, decisionsIn, findingsIn, plannedIn, silenced } from './subject.ts'

const root = join(import.meta.dirname, '..', '..')
/** One for all drivers: each new one compiles the schema of schemas first. */
const ajv = new Ajv2020({ strict: true })
const isBeforePromotion = ({ phase }: PlannedStep): boolean => PHASES.indexOf(phase) < PHASES.indexOf('PROMOTE')

/** What can be seen of a driver without any server: its declarations, decisions, steps, texts and pages. */
export function conformsOnPaper(driver: Driver, fixture: Fixture): void {
  const { component, stack } = fixture
  const situations = fixture.situations.map((one) => [one.name, one] as const)
  const withSilence = fixture.situations.flatMap((one) => [one, silenced(driver, fixture, one)])
  const stepsIn = (situation: Situation): PlannedStep[] => allOf(plannedIn(driver, fixture, situation))

  describe(`the driver ${driver.kind}, on paper`, () => {
    test.each(withSilence.map((one) => [one.name, one] as const))(
      'decides the same twice, from its arguments alone: %s',
      (_name, situation) => {
        const frozen = deeplyFrozen({ fixture, situation })
        const decided = withoutClockOrChance(() => decisionsIn(driver, frozen.fixture, frozen.situation))
        expect(decisionsIn(driver, frozen.fixture, frozen.situation)).toEqual(decided)
      },
    )

    test.each(situations)('plans steps that fit together: %s', (_name, situation) => {
      const { main, fences, waits, backup } = plannedIn(driver, fixture, situation)
      // Those of a backup are planned outside of moves.
      for (const steps of [[...fences, ...main, ...waits], backup]) {
        expect(orderProblems(steps)).toEqual([])
        for (const step of steps)
          expect([
            `${component.name}.${step.action}`,
            ...stack.sites.map(({ name }) => `${component.name}.${step.action}@${name}`),
          ]).toContain(step.id)
      }
      for (const step of [...main, ...fences]) {
        expect(step.byTime).toBeUndefined()
        // A fence after the promotion shuts nothing in time.
        if (step.fence !== undefined) expect(isBeforePromotion(step)).toBe(true)
      }
    })

    test('reaches the levels of a fence that it says it reaches, and no other', () => {
      const planned = fixture.situations
        .filter(({ intent }) => intent.mode === 'failover')
        .flatMap((one) => stepsIn(one).flatMap(({ fence }) => fence ?? []))
      const said = levelsOf(driver, component, stack)
      expect(planned.filter((level) => !said.includes(level))).toEqual([])
    })

    test.each(situations.filter(([, { intent }]) => intent.mode === 'switchover'))(
      'shuts what a switchover promotes for good at the level of a database, which a stack demands: %s',
      (_name, situation) => {
        const { main } = plannedIn(driver, fixture, situation)
        if (!isPromoted(main, component.name)) return
        const levels = fenceLevels(main, { database: [component.name] })
        expect({ levels, isShut: reaches(levels, 'database') }).toMatchObject({ isShut: true })
      },
    )

    test.each(situations.filter(([, { intent }]) => intent.mode === 'failover'))(
      'acts on the lost site by fences alone: %s',
      (_name, situation) => {
        const { main, waits, fences } = plannedIn(driver, fixture, situation)
        expect([...main, ...waits].filter(({ site }) => site === situation.intent.from)).toEqual([])
        expect(fences.filter(({ site }) => site !== situation.intent.from)).toEqual([])
      },
    )

    test('performs each step that it plans, and plans each action that it performs', () => {
      const planned = new Set(fixture.situations.flatMap(stepsIn).map(({ action }) => action))
      const performed = new Set(driver.actions.map(({ name }) => name))
      expect([...planned].filter((name) => !performed.has(name))).toEqual([])
      const elsewhere = Object.keys(fixture.unplanned ?? {})
      expect([...performed].filter((name) => !planned.has(name)).sort()).toEqual(elsewhere.sort())
      expect(performed.size).toBe(driver.actions.length)
    })

    test.each(situations)('plans steps with the parameters that their actions declare: %s', (_name, situation) => {
      for (const step of stepsIn(situation)) {
        const { parameters } = actionOf(driver, step)
        const isAccepted = ajv.compile(parameters)
        expect({ step: step.id, isAccepted: isAccepted(step.parameters), why: isAccepted.errors }).toEqual({
          step: step.id,
          isAccepted: true,
          why: null,
        })
        expect(JSON.parse(JSON.stringify(step))).toEqual(step)
      }
    })

    test.each(situations)('can take back each effect before the promotion, or says why not: %s', (_name, situation) => {
      const steps = stepsIn(situation)
      for (const step of steps) {
        const { behaviour } = actionOf(driver, step)
        if (behaviour.is === 'check' || 'undo' in behaviour.back) continue
        const { back } = behaviour
        if (back.is === 'leaves-nothing') expect(back.because).not.toBe('')
        else if (back.is === 'undone-by') {
          const other = steps.find(({ action }) => action === back.action)
          const way = other === undefined ? undefined : actionOf(driver, other).behaviour
          expect({ step: step.id, isUndone: way !== undefined && way.is !== 'check' && 'undo' in way.back }).toEqual({
            step: step.id,
            isUndone: true,
          })
        } else if (changesActiveSite(situation.intent) && isBeforePromotion(step) && step.fence !== 'power')
          throw new Error(`${step.id} is irreversible in ${step.phase}, and no fence of the level power`)
      }
    })

    test('says for each action what a person types, or that no short way exists', () => {
      const around = surroundings(fixture)
      for (const situation of fixture.situations)
        for (const step of stepsIn(situation)) {
          const manual = byHandOf(driver, component, step, around)
          expect({ action: step.action, hasManual: manual !== null }).toEqual({
            action: step.action,
            hasManual: actionOf(driver, step).byHand !== 'none',
          })
          if (manual === null) continue
          expect(manual.commands.length).toBeGreaterThan(0)
          expect([...manual.commands, manual.expect].every((line) => line.trim() !== '')).toBe(true)
        }
    })

    test.each(withSilence.map((one) => [one.name, one] as const))(
      'finds what is wrong under declared codes, of its own component: %s',
      (_name, situation) => {
        const { status, move, ahead } = findingsIn(driver, fixture, situation)
        const core = new Set(Object.values(REASON_CODES).flatMap((area) => Object.keys(area)))
        const own = new Set(Object.keys(driver.codes.table))
        for (const finding of [...status, ...move, ...ahead]) {
          expect({ code: finding.code, isDeclared: core.has(finding.code) || own.has(finding.code) }).toEqual({
            code: finding.code,
            isDeclared: true,
          })
          expect(finding.component).toBe(component.name)
        }
        // Status looks, and stands in no way.
        expect(status.filter(({ severity }) => severity === 'blocker')).toEqual([])
      },
    )

    test.each(situations)('never costs an approval by one answer that comes too late: %s', (_name, situation) => {
      const { move } = findingsIn(driver, fixture, silenced(driver, fixture, situation))
      const blocking = move.filter(({ severity }) => severity === 'blocker')
      expect(blocking.filter((finding) => !isUnanswered(finding)).map(({ code }) => code)).toEqual([])
    })

    test('declares codes in kebab-case that are on the page of all codes', () => {
      const known = reasonCodeMeanings()
      for (const code of Object.keys(driver.codes.table)) {
        expect(code).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
        expect({ code, isOnPage: known.has(code) }).toEqual({ code, isOnPage: true })
      }
    })

    test('has a page in the documentation, of its own name', () => {
      const page = join(root, 'docs', 'drivers', `${driver.kind}.md`)
      expect(existsSync(page)).toBe(true)
      expect(readFileSync(page, 'utf8')).toMatch(/^# \S/)
    })

    test('lets its schema accept the component of the fixture, and no field that it does not know', () => {
      const schema = { type: 'object', additionalProperties: false, ...driver.schema }
      expect(judge(schema, component.spec, []).problems).toEqual([])
      expect(judge(schema, { ...component.spec, 'no-such-field': true }, []).problems).not.toEqual([])
    })
  })
}

function surroundings({ stack }: Fixture): ManualSurroundings {
  const witness = manualWitnesses[stack.witness.driver]?.(stack.witness.spec)
  if (witness === undefined) throw new Error(`no runbook for the witness ${stack.witness.driver}`)
  return {
    stack,
    witness,
    objectStore(name, site) {
      const location = objectStoreOf(drivers[componentOf(stack, name).driver], componentOf(stack, name), site)
      if (location === null) throw new Error(`${name} is no object store`)
      return location
    },
  }
}

/** Runs a decision while asking for the time or for chance throws. */
function withoutClockOrChance<T>(decide: () => T): T {
  const { Date: RealDate } = globalThis
  const random = Math.random
  const refuse = (what: string): never => {
    throw new Error(`a decision asks for ${what}`)
  }
  class Timeless extends RealDate {
    constructor(...given: [] | [value: number | string | Date]) {
      super(given[0] ?? refuse('the time'))
    }
    static override now = (): number => refuse('the time')
  }
  globalThis.Date = Timeless as DateConstructor
  Math.random = () => refuse('chance')
  try {
    return decide()
  } finally {
    globalThis.Date = RealDate
    Math.random = random
  }
}

function deeplyFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) deeplyFrozen(part)
  return value
}
