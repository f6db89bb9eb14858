import { systemClock, type World } from '../../src/composition/connect.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import { componentOf } from '../../src/domain/stack.ts'
import { type PerformedRun, type StepPerformer, stepPerformer } from '../../src/execution/perform-step.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { around } from './flat/around.ts'
import type { Behaviour, FlatRun } from './flat/behaviour.ts'
import { liftedBehaviour } from './flat/lifted.ts'

/** One step of a driver from its first look to its proof, as a run performs it, without a journal around it. */
export async function performStep(
  behaviour: Behaviour | undefined,
  run: FlatRun,
  deadline = 90_000,
): Promise<{ readonly outcome: 'done' | 'was-done'; readonly proof: JsonObject }> {
  return performed(performerOf(behaviour, run, deadline))
}

/** From the first look to the proof; closes the performer. `mayHaveHappened`: an earlier process may have begun. */
export async function performed(
  performer: StepPerformer,
  mayHaveHappened = false,
): Promise<{ readonly outcome: 'done' | 'was-done'; readonly proof: JsonObject }> {
  try {
    const first = await performer.look(mayHaveHappened)
    if (first.is === 'done') return { outcome: 'was-done', proof: first.proof }
    await performer.apply()
    return { outcome: 'done', proof: await performer.wait() }
  } finally {
    performer.close()
  }
}

/** Takes the step's effect back, as a run does it. */
export async function takeStepBack(behaviour: Behaviour | undefined, run: FlatRun, deadline = 90_000): Promise<void> {
  const performer = performerOf(behaviour, run, deadline)
  await performer.takeBack().finally(() => performer.close())
}

function performerOf(behaviour: Behaviour | undefined, run: FlatRun, deadline: number): StepPerformer {
  if (behaviour === undefined) throw new Error(`no behaviour for ${run.step.id}`)
  const performed: PerformedRun = {
    ...run,
    site: run.step.site,
    context: around(run.context),
    pastReturn: run.pastReturn ?? false,
    proofOf: <P>({ id }: { readonly id: string }) => run.proofOf(id) as P | null,
  }
  return stepPerformer(liftedBehaviour(behaviour), performed, {
    clock: systemClock,
    signal: run.signal,
    deadline: deadlineAfter(deadline),
    waiting: () => undefined,
    assertOurs: async () => undefined,
  })
}

/** What a step of a real world works with, when it begins now. */
export function stepRun(
  world: World,
  step: PlannedStep,
  intent: Intent,
  { proofs, within }: { readonly proofs: ReadonlyMap<string, JsonObject>; readonly within: number },
): FlatRun {
  const signal = AbortSignal.timeout(within)
  return {
    step,
    component: componentOf(world.stack, step.component),
    intent,
    context: { ...world.context, signal },
    signal,
    begunAt: new Date().toISOString(),
    applied: false,
    proofOf: (id) => proofs.get(id) ?? null,
  }
}
