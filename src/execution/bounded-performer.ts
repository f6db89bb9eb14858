import { asDriversKnow, type Intent, type PlannedStep, type StepId } from '../domain/plan.ts'
import { componentOf } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { deadlineAfter } from '../waiting/deadline.ts'
import { contextOfStep } from './isolate-lost-site.ts'
import { type PerformedRun, type StepPerformer, stepPerformer } from './perform-step.ts'
import type { Progress } from './progress.ts'
import type { RunState } from './run-state.ts'
import { needsLock } from './transition.ts'

/** What of a run its steps need. */
export interface AroundSteps {
  readonly intent: Intent | null
  readonly context: DriverContext
  readonly clock: Clock
  readonly behaviourOf: (step: PlannedStep) => EngineBehaviour
  readonly proofs: ReadonlyMap<StepId, JsonObject>
  readonly progress: Progress
  /**
   * Runs before every effect under the lock: lock and epoch are read again. Throws `lock-lost`, or what kept it from
   * reading.
   */
  readonly assertOurs: (step: PlannedStep) => Promise<void>
}

/** How this process works on a step now. */
export interface HowPerformed {
  readonly begunAt: string
  readonly signal: AbortSignal
  readonly direction: RunState['direction']
  readonly pastReturn: boolean
  readonly applied: boolean
}

/** What performs one step, bounded by its deadline. */
export function performerOf(
  run: AroundSteps,
  step: PlannedStep,
  { begunAt, signal, direction, pastReturn, applied }: HowPerformed,
  within: Milliseconds = (direction === 'forward' ? step.bestEffort : undefined) ?? step.deadline,
): StepPerformer {
  const deadline = deadlineAfter(within)
  const bounded = AbortSignal.any([signal, deadline.signal])
  const stepRun: PerformedRun = {
    step,
    site: step.site,
    component: componentOrCore(run, step),
    intent: run.intent === null ? null : asDriversKnow(run.intent),
    context: { ...contextOfStep(run.context, run.intent, step), signal: bounded },
    signal: bounded,
    begunAt,
    applied,
    pastReturn,
    proofOf: proofsIn(run.proofs),
  }
  const waiting = (what: string): void => run.progress.waiting(step, what)
  // Before the lock is taken, and when it is given back, there is none to look at.
  const assertOurs = async (): Promise<void> => (needsLock(step) ? run.assertOurs(step) : undefined)
  return stepPerformer(run.behaviourOf(step), stepRun, { clock: run.clock, signal, deadline, waiting, assertOurs })
}

/** A proof is what the same action left: its reader is the driver that wrote it. */
export const proofsIn =
  (proofs: ReadonlyMap<StepId, JsonObject>): PerformedRun['proofOf'] =>
  <P>({ id }: { readonly id: StepId }) =>
    (proofs.get(id) as P | undefined) ?? null

/** The core's own steps belong to no declared component. */
function componentOrCore(run: AroundSteps, step: PlannedStep): PerformedRun['component'] {
  return run.context.stack.components.some((component) => component.name === step.component)
    ? componentOf(run.context.stack, step.component)
    : { name: step.component, driver: 'core', needs: [], spec: {} }
}
