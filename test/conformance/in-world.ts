import { describe, expect, test } from '@jest/globals'
import { changesActiveSite, PHASES, type PlannedStep } from '../../src/domain/plan.ts'
import { type EngineBehaviour, wayBackOf } from '../../src/driver/engine.ts'
import type { Driver } from '../../src/driver/flat/driver.ts'
import { contextOfStep } from '../../src/execution/isolate-lost-site.ts'
import { type StepPerformer, stepPerformer } from '../../src/execution/perform-step.ts'
import { sequenceOf } from '../../src/planning/order-steps.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { type Fault, withFault } from './faults.ts'
import type { Fixture, Situation } from './fixture.ts'
import { actionOf, plannedIn } from './subject.ts'
import type { World } from './world.ts'

/** Longer than any step of a world that answers takes, even on a busy machine. */
const PATIENCE = 20_000
/** For the step whose world falls silent: it must end with this. */
const SHORT = 400

/**
 * What a driver's steps promise in a world that answers, loses answers, falls silent, and outlives the process. Each
 * step is performed as the engine does it, in the isolation of a failover, after all steps before it.
 */
export function conformsInWorld(driver: Driver, fixture: Fixture): void {
  const { world } = fixture
  if (world === undefined) return
  const planned = fixture.situations.flatMap((situation) =>
    stepsOf(driver, fixture, situation).map((step, index, steps) => ({
      name: `${step.id} of ${situation.name}`,
      situation,
      step,
      before: steps.slice(0, index),
    })),
  )
  const ofSteps = planned.map((one) => [one.name, one] as const)
  const ofWaysBack = ofSteps.filter(([, { situation, step }]) => mayGoBack(driver, situation, step))
  type Planned = (typeof planned)[number]

  /** A world in which all earlier steps are done, and what this one is performed by. */
  async function around<T>(
    { situation, step, before }: Planned,
    use: (at: { readonly world: World; performer(fault?: Fault, patience?: number): Faulty }) => Promise<T>,
  ): Promise<T> {
    const made = await world?.(situation)
    if (made === undefined) throw new Error('no world')
    const performerOf = (of: PlannedStep, fault: Fault | null, patience: number): Faulty => {
      const { context, calls, signal } = withFault(made.context, fault)
      const performer = stepPerformer(
        actionOf(driver, of).behaviour as unknown as EngineBehaviour,
        {
          step: of,
          component: fixture.component,
          site: of.site,
          intent: situation.intent,
          context: contextOfStep(context, situation.intent, of),
          signal,
          begunAt: made.context.clock.now().toISOString(),
          applied: false,
          pastReturn: false,
          proofOf: () => null,
        },
        {
          clock: made.context.clock,
          signal,
          deadline: deadlineAfter(patience),
          waiting: () => undefined,
          assertOurs: async () => undefined,
        },
      )
      return { performer, calls }
    }
    try {
      for (const earlier of before) await perform(performerOf(earlier, null, PATIENCE).performer)
      return await use({
        world: made,
        performer: (fault, patience = PATIENCE) => performerOf(step, fault ?? null, patience),
      })
    } finally {
      await made.close()
    }
  }

  /** What the world holds after the step, and after its way back, when nothing goes wrong; and how many calls it took. */
  const smoothly = (one: Planned) =>
    around(one, async ({ world: at, performer }) => {
      const before = await at.read()
      const there = performer()
      await perform(there.performer)
      const after = await at.read()
      const back = performer()
      if (mayGoBack(driver, one.situation, one.step)) await back.performer.takeBack()
      return { before, after, restored: await at.read(), calls: there.calls(), callsBack: back.calls() }
    })

  describe(`the driver ${driver.kind}, in a world`, () => {
    test.each(ofSteps)('performs a step once, however often it is asked: %s', async (_name, one) => {
      await around(one, async ({ world: at, performer }) => {
        await perform(performer().performer)
        const after = await at.read()
        expect(await performer().performer.lookAgain()).toMatchObject({ is: 'done' })
        await performer().performer.apply()
        expect(await at.read()).toEqual(after)
        expect(await performer().performer.lookAgain()).toMatchObject({ is: 'done' })
      })
    })

    test.each(ofSteps)(
      'survives a lost question, a lost answer and a conflict at each call: %s',
      async (_name, one) => {
        const { after, calls } = await smoothly(one)
        for (const is of ['lost-question', 'lost-answer', 'conflict'] as const)
          for (let call = 1; call <= calls; call++)
            await around(one, async ({ world: at, performer }) => {
              await perform(performer({ call, is }).performer)
              expect({ call, is, world: await at.read() }).toEqual({ call, is, world: after })
            })
      },
    )

    test.each(ofSteps)('is finished by a new process, wherever the first one ended: %s', async (_name, one) => {
      const { after, calls } = await smoothly(one)
      for (const is of ['death', 'death-after'] as const)
        for (let call = 1; call <= calls; call++)
          await around(one, async ({ world: at, performer }) => {
            await expect(perform(performer({ call, is }).performer)).rejects.toThrow()
            await resume(performer().performer)
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: after })
          })
    })

    test.each(ofSteps)('ends by its deadline when the world falls silent: %s', async (_name, one) => {
      const { calls } = await smoothly(one)
      expect(calls).toBeGreaterThan(0)
      await around(one, async ({ performer }) => {
        const began = performance.now()
        await expect(perform(performer({ call: 1, is: 'silence' }, SHORT).performer)).rejects.toThrow()
        expect(performance.now() - began).toBeLessThan(PATIENCE)
      })
    })

    if (ofWaysBack.length === 0) return
    test.each(ofWaysBack)('is taken back without harm where it never happened: %s', async (_name, one) => {
      await around(one, async ({ world: at, performer }) => {
        const before = await at.read()
        await performer().performer.takeBack()
        expect(await at.read()).toEqual(before)
      })
    })

    test.each(ofWaysBack)('is taken back to what was before, wherever it ended: %s', async (_name, one) => {
      const { before, restored, calls, callsBack } = await smoothly(one)
      expect(restored).toEqual(before)
      for (const is of ['death', 'death-after'] as const)
        for (let call = 1; call <= calls; call++)
          await around(one, async ({ world: at, performer }) => {
            await expect(perform(performer({ call, is }).performer)).rejects.toThrow()
            await performer().performer.takeBack()
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: before })
          })
      for (const is of ['lost-question', 'lost-answer', 'conflict'] as const)
        for (let call = 1; call <= callsBack; call++)
          await around(one, async ({ world: at, performer }) => {
            await perform(performer().performer)
            await performer({ call, is }).performer.takeBack()
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: before })
          })
    })
  })
}

interface Faulty {
  readonly performer: StepPerformer
  calls(): number
}

const stepsOf = (driver: Driver, fixture: Fixture, situation: Situation): PlannedStep[] => {
  const { main, fences, waits } = plannedIn(driver, fixture, situation)
  return sequenceOf([...fences, ...main, ...waits])
}

/** Before the point of no return of a move that has one. */
const mayGoBack = (driver: Driver, { intent }: Situation, step: PlannedStep): boolean =>
  changesActiveSite(intent) &&
  PHASES.indexOf(step.phase) < PHASES.indexOf('PROMOTE') &&
  wayBackOf(actionOf(driver, step).behaviour as unknown as EngineBehaviour) !== null

/** As a run performs a step that nothing is on record of. */
async function perform(performer: StepPerformer): Promise<JsonObject> {
  try {
    const first = await performer.look(false)
    if (first.is === 'done') return first.proof
    await performer.apply()
    return await performer.wait()
  } finally {
    performer.close()
  }
}

/** As a run goes on with a step that an earlier process has begun. */
async function resume(performer: StepPerformer): Promise<JsonObject> {
  try {
    const first = await performer.look(true)
    if (first.is === 'done') return first.proof
    await performer.apply()
    return await performer.wait()
  } finally {
    performer.close()
  }
}
