import type { Intent, PlannedStep, StepId } from '../../../src/domain/plan.ts'
import type { Progress } from '../../../src/domain/progress.ts'
import type { Component } from '../../../src/domain/stack.ts'
import type { Milliseconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { FlatContext } from './context.ts'

/**
 * What a flat behaviour says of a step: `restsOn` is the precondition of a due effect, `takenBackBy` who reverted it.
 */
export type FlatProgress =
  | Exclude<Progress, { readonly is: 'pending' }>
  | {
      readonly is: 'pending'
      readonly waitingFor: string
      readonly restsOn?: JsonObject
      readonly takenBackBy?: string
    }

/**
 * What a step does. Each method may run twice, and after a crash of another process. Where there is a `touch`, every
 * effect is a compare-and-set on what `done` or `undone` saw before the last look at the lock: nothing that a process
 * does late finds what it saw.
 */
export interface Behaviour<Spec = JsonObject> {
  /** Observes whether the post-condition holds; read-only. */
  done(run: FlatRun<Spec>): Promise<FlatProgress>
  /** The effect: idempotent. Absent for steps that only wait or check. */
  apply?(run: FlatRun<Spec>): Promise<void>
  /**
   * Yields whenever `done` is worth asking again, so that waits end early; the engine asks now and then all the same.
   */
  changes?(run: FlatRun<Spec>): AsyncIterable<unknown>
  /**
   * A word to whoever does the rest by itself, such as an operator, when it is not done after `every`, and again as
   * often: harmless where it is under way. The lock is looked at before each. `reminderBack`: while its effect is taken
   * back.
   */
  readonly reminder?: { readonly every: Milliseconds; remind(run: FlatRun<Spec>): Promise<void> }
  readonly reminderBack?: Behaviour<Spec>['reminder']
  /** Takes the effect back, before the point of no return: idempotent, and harmless where the effect never happened. */
  undo?(run: FlatRun<Spec>): Promise<void>
  /** Observes whether it is taken back, and what was before is true again. */
  undone?(run: FlatRun<Spec>): Promise<FlatProgress>
  /**
   * Makes too late what others have sent, or were about to send: the object gets another version, and is otherwise left
   * as it is. May be repeated. Where there is one, `apply` and `undo` are called only while `restsOn` says that they
   * are due, and `undone` is not optional.
   */
  touch?(run: FlatRun<Spec>): Promise<void>
}

export interface FlatRun<Spec = JsonObject> {
  readonly step: PlannedStep
  readonly component: Component<Spec>
  /** null outside moves. */
  readonly intent: Intent | null
  readonly context: FlatContext
  /** Aborted at the step's deadline and on cancellation. */
  readonly signal: AbortSignal
  /** When this step began, ISO 8601; also after a resume. */
  readonly begunAt: string
  /**
   * Whether this process has performed the effect: for effects that leave no trace to be observed, such as a
   * checkpoint.
   */
  readonly applied: boolean
  /**
   * Whether the point of no return is behind: an effect that somebody takes back is done again and again, for nothing
   * goes back any more.
   */
  readonly pastReturn?: boolean
  /** For `apply` and `undo`: what `done` or `undone` saw, and what the effect must hold on to. */
  readonly restsOn?: JsonObject
  /** What an earlier step of this run proved. */
  proofOf(step: StepId): JsonObject | null
}
