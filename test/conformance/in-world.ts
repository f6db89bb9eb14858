import { describe, expect, test } from '@jest/globals'
import { type Identity, OPERATING } from '../../src/domain/identities.ts'
import { changesActiveSite, PHASES, type PlannedStep } from '../../src/domain/plan.ts'
import { isGuarded, observeComponent, placesOf } from '../../src/driver/ask.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import { wayBackOf } from '../../src/driver/engine.ts'
import { contextOfStep } from '../../src/execution/isolate-lost-site.ts'
import { type StepPerformer, stepPerformer } from '../../src/execution/perform-step.ts'
import { sequenceOf } from '../../src/planning/order-steps.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { type ApiCall, textOfCall } from '../support/cluster-in-memory.ts'
import { performed } from '../support/perform-step.ts'
import { inTurn } from '../support/rounds.ts'
import { type Fault, notingRefusals, withFault } from './faults.ts'
import type { Fixture, Situation } from './fixture.ts'
import { declaredRights, mayAskAs } from './rights.ts'
import { actionOf, plannedIn } from './subject.ts'
import type { World } from './world.ts'

/** Longer than any step of a world that answers takes, even on a busy machine. */
const PATIENCE = 20_000
/** For the step whose world falls silent: it must end with this. */
const SHORT = 400

/**
 * What a driver's steps promise in a world that answers, loses answers, falls silent, and outlives the process. Each
 * step is performed as the engine does it, in the isolation of a failover, after all steps before it, by an identity
 * with the rights that the driver declares.
 */
export function conformsInWorld(driver: Driver, fixture: Fixture): void {
  const { world } = fixture
  if (world === undefined) return
  const planned: readonly Planned[] = fixture.situations.flatMap((situation) =>
    stepsOf(driver, fixture, situation).map(({ step, isFence }, index, steps) => ({
      name: `${step.id} of ${situation.name}`,
      situation,
      step,
      isFence,
      before: steps.slice(0, index).map((one) => one.step),
    })),
  )
  const ofSteps = planned.map((one) => [one.name, one] as const)
  const ofWaysBack = ofSteps.filter(([, { situation, step }]) => mayGoBack(driver, situation, step))
  /** What was refused as something else than a right that the identity lacks on purpose. */
  const lacking = (as: Identity, at: World): string[] => {
    const refused = (at.asked?.().refused ?? []).map((call) => ({ call, right: rightOf(as, call) }))
    for (const { right } of refused) lacked.add(right)
    return refused.filter(({ right }) => fixture.goesWithout?.[right] === undefined).map(({ call }) => textOfCall(call))
  }
  const lacked = new Set<string>()
  const troubles = inTurn(['lost-question', 'lost-answer', 'conflict'] as const)
  const deaths = inTurn(['death', 'death-after'] as const)
  const isDoneAnew = ({ step }: Planned): boolean => fixture.doneAnew?.[step.action] !== undefined
  /** What was asked for in the tests below, by the identity that asked. */
  const asked = new Map<Identity, ApiCall[]>()
  const note = (identity: Identity, calls: readonly ApiCall[]): void => {
    const earlier = asked.get(identity) ?? []
    asked.set(identity, earlier)
    for (const call of calls) earlier.push(call)
  }

  async function within<T>(situation: Situation, as: Identity, use: (at: World) => Promise<T>): Promise<T> {
    const made = await world?.(situation, mayAskAs(as, driver, fixture))
    if (made === undefined) throw new Error('no world')
    try {
      return await use(made)
    } finally {
      note(as, made.asked?.().calls ?? [])
      await made.close()
    }
  }

  /** A world in which all earlier steps are done, and what this one is performed by: a process each time. */
  const around = <T>(
    { situation, step, before }: Planned,
    use: (at: { readonly world: World; process(fault?: Fault, patience?: number): Process }) => Promise<T>,
    as: Identity = 'mover',
  ): Promise<T> =>
    within(situation, as, async (at) => {
      const proofs = new Map<string, JsonObject>(Object.entries(at.proofs ?? {}))
      const begun = new Map<string, string>()
      const touched: string[] = []
      const performers: StepPerformer[] = []
      const processOf = (of: PlannedStep, fault: Fault | null, patience: number): Process => {
        const { context, calls, signal } = withFault(at.context, fault)
        const begunAt = begun.get(of.id) ?? at.context.clock.now().toISOString()
        begun.set(of.id, begunAt)
        const performer = stepPerformer(
          actionOf(driver, of).behaviour,
          {
            step: of,
            component: fixture.component,
            site: of.site,
            intent: situation.intent,
            context: notingRefusals(contextOfStep(context, situation.intent, of), touched),
            signal,
            begunAt,
            applied: false,
            pastReturn: false,
            proofOf: <P>({ id }: { readonly id: string }) => (proofs.get(id) ?? null) as P | null,
          },
          {
            clock: at.context.clock,
            signal,
            deadline: deadlineAfter(patience),
            waiting: () => undefined,
            assertOurs: async () => undefined,
          },
        )
        performers.push(performer)
        return {
          performer,
          calls,
          async perform(mayHaveHappened = false) {
            const { proof } = await performed(performer, mayHaveHappened)
            proofs.set(of.id, proof)
            return proof
          },
        }
      }
      try {
        for (const earlier of before) await processOf(earlier, null, PATIENCE).perform()
        const result = await use({
          world: at,
          process: (fault, patience = PATIENCE) => processOf(step, fault ?? null, patience),
        })
        expect(touched).toEqual([])
        return result
      } finally {
        for (const performer of performers) performer.close()
      }
    })

  const undisturbed = new Map<Planned, ReturnType<typeof performUndisturbed>>()
  /**
   * What the world holds after the step, and after its way back, when nothing goes wrong; and how many calls it took.
   * Performed once for each step: several tests compare with it.
   */
  const smoothly = (one: Planned): ReturnType<typeof performUndisturbed> => {
    const known = undisturbed.get(one) ?? performUndisturbed(one)
    undisturbed.set(one, known)
    return known
  }
  const performUndisturbed = (one: Planned) =>
    around(one, async ({ world: at, process }) => {
      const before = await at.read()
      const there = process()
      await there.perform()
      const after = await at.read()
      const back = process()
      if (mayGoBack(driver, one.situation, one.step)) await back.performer.takeBack()
      return { before, after, restored: await at.read(), calls: there.calls(), callsBack: back.calls() }
    })

  describe(`the driver ${driver.kind}, in a world`, () => {
    test.each(ofSteps)('performs a step once, however often it is asked: %s', async (_name, one) => {
      await around(one, async ({ world: at, process }) => {
        await process().perform()
        const after = await at.read()
        const again = isDoneAnew(one)
        if (!again) expect(await process().performer.lookAgain()).toMatchObject({ is: 'done' })
        if (again) await process().perform(true)
        else await process().performer.apply()
        expect(await at.read()).toEqual(after)
        if (!again) expect(await process().performer.lookAgain()).toMatchObject({ is: 'done' })
      })
    })

    test.each(ofSteps)(
      'survives a lost question, a lost answer and a conflict at each call: %s',
      async (_name, one) => {
        const { after, calls } = await smoothly(one)
        for (let call = 1; call <= calls; call++)
          for (const is of troubles())
            await around(one, async ({ world: at, process }) => {
              await process({ call, is }).perform()
              expect({ call, is, world: await at.read() }).toEqual({ call, is, world: after })
            })
      },
    )

    test.each(ofSteps)('is finished by a new process, wherever the first one ended: %s', async (_name, one) => {
      const { after, calls } = await smoothly(one)
      for (let call = 1; call <= calls; call++)
        for (const is of deaths())
          await around(one, async ({ world: at, process }) => {
            await dies(process({ call, is }), call)
            await process().perform(true)
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: after })
          })
    })

    test.each(ofSteps)('ends by its deadline when the world falls silent: %s', async (_name, one) => {
      const { calls } = await smoothly(one)
      // What asks nothing of the world only waits, which no other process can see.
      if (calls === 0) return expect(isDoneAnew(one)).toBe(true)
      await around(one, async ({ process }) => {
        const began = performance.now()
        await expect(process({ call: 1, is: 'silence' }, SHORT).perform()).rejects.toThrow()
        expect(performance.now() - began).toBeLessThan(PATIENCE)
      })
    })

    test.each(ofSteps)('has all rights that it needs, as the mover: %s', async (_name, one) => {
      await around(one, async ({ world: at, process }) => {
        await process().perform()
        if (mayGoBack(driver, one.situation, one.step)) await process().performer.takeBack()
        expect(lacking('mover', at)).toEqual([])
      })
    })

    const ofFences = ofSteps.filter(([, { isFence }]) => isFence && isGuarded(driver))
    if (ofFences.length > 0)
      test.each(ofFences)('shuts its site with the rights of the guard as well: %s', async (_name, one) => {
        const { after } = await smoothly(one)
        const byGuard = await around(
          one,
          async ({ world: at, process }) => {
            await process().perform()
            expect(lacking('guard', at)).toEqual([])
            return at.read()
          },
          'guard',
        )
        expect(byGuard).toEqual(after)
      })

    test.each(fixture.situations.map((one) => [one.name, one] as const))(
      'is observed with the rights of each identity: before %s',
      async (_name, situation) => {
        const lost = situation.intent.mode === 'failover' ? situation.intent.from : null
        for (const identity of [...OPERATING, ...(isGuarded(driver) ? (['guard'] as const) : [])])
          for (const place of placesOf(driver, fixture.stack).filter((site) => site === null || site !== lost))
            await within(situation, identity, async (at) => {
              const seen = await observeComponent(driver, fixture.component, place, at.context)
              expect({ identity, place, seen }).toMatchObject({ identity, place, seen: { kind: 'answering' } })
              expect(lacking(identity, at)).toEqual([])
            })
      },
    )

    test('declares no right that nothing needs, but what its fixture explains', () => {
      expect([...lacked].sort()).toEqual(Object.keys(fixture.goesWithout ?? {}).sort())
      if (fixture.performedElsewhere !== undefined) return
      const unasked = declaredRights(driver, fixture)
        .filter(({ identity }) => IN_WORLDS.includes(identity))
        .filter(({ identity, isAskedFor }) => !(asked.get(identity) ?? []).some(isAskedFor))
        .map(({ text }) => text)
      expect(unasked.sort()).toEqual(Object.keys(fixture.unaskedRights ?? {}).sort())
    })

    if (ofWaysBack.length === 0) return
    test.each(ofWaysBack)('is taken back without harm where it never happened: %s', async (_name, one) => {
      await around(one, async ({ world: at, process }) => {
        const before = await at.read()
        await process().performer.takeBack()
        expect(await at.read()).toEqual(before)
      })
    })

    test.each(ofWaysBack)('is taken back to what was before, wherever it ended: %s', async (_name, one) => {
      const { before, restored, calls, callsBack } = await smoothly(one)
      expect(restored).toEqual(before)
      for (let call = 1; call <= calls; call++)
        for (const is of deaths())
          await around(one, async ({ world: at, process }) => {
            await dies(process({ call, is }), call)
            await process().performer.takeBack()
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: before })
          })
      for (let call = 1; call <= callsBack; call++)
        for (const is of troubles())
          await around(one, async ({ world: at, process }) => {
            await process().perform()
            await process({ call, is }).performer.takeBack()
            expect({ call, is, world: await at.read() }).toEqual({ call, is, world: before })
          })
    })
  })
}

const rightOf = (identity: Identity, { verb, resource }: ApiCall): string => `${identity} ${verb} ${resource}`

/** Identities whose calls the worlds make. Deploys and restore tests run in the lab, with exactly their rights. */
const IN_WORLDS: readonly Identity[] = ['observer', 'mover', 'guard']

interface Planned {
  readonly name: string
  readonly situation: Situation
  readonly step: PlannedStep
  /** On the lost site, where it still answers: the guard of that site shuts it in the same way. */
  readonly isFence: boolean
  readonly before: readonly PlannedStep[]
}

/** One process that performs one step, and whose calls are counted. */
interface Process {
  readonly performer: StepPerformer
  calls(): number
  /** As a run does it; `mayHaveHappened`: as one that continues the step of an earlier process. */
  perform(mayHaveHappened?: boolean): Promise<JsonObject>
}

function stepsOf(driver: Driver, fixture: Fixture, situation: Situation) {
  const planned = plannedIn(driver, fixture, situation)
  const { main, waits } = planned
  // The core plans no fence of what does not answer (`planning/fences-in-reach.ts`).
  const fences = planned.fences.filter(({ site }) => situation.states[site ?? '']?.kind !== 'silent')
  return sequenceOf([...fences, ...main, ...waits])
    .filter(({ action }) => fixture.performedElsewhere?.[action] === undefined)
    .map((step) => ({ step, isFence: fences.includes(step) }))
}

/** Before the point of no return of a move that has one. */
const mayGoBack = (driver: Driver, { intent }: Situation, step: PlannedStep): boolean =>
  changesActiveSite(intent) &&
  PHASES.indexOf(step.phase) < PHASES.indexOf('PROMOTE') &&
  wayBackOf(actionOf(driver, step).behaviour) !== null

/** Where instances are asked side by side, a run may need fewer calls than another one: then it has not died. */
async function dies(process: Process, at: number): Promise<void> {
  const ended = await process.perform().then(
    () => 'well',
    () => 'dead',
  )
  expect(ended).toBe(process.calls() < at ? 'well' : 'dead')
}
