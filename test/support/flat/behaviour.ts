import type { Intent, PlannedStep, StepId } from '../../../src/domain/plan.ts'
import type { Progress } from '../../../src/domain/progress.ts'
import type { Component } from '../../../src/domain/stack.ts'
import type { Milliseconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { FlatContext } from './context.ts'

/** What a flat behaviour says of a step: `due` is the precondition of a due effect, `revertedBy` who reverted it. */
export type FlatProgress =
  | Exclude<Progress, { readonly is: 'pending' }>
  | {
      readonly is: 'pending'
      readonly waitingFor: string
      readonly due?: JsonObject
      readonly revertedBy?: string
    }

/**
 * What a step does. Each method may run twice, and after a crash of another process. With `invalidate`, every effect is
 * a compare-and-set on what `done` or `undone` saw before the lock was last asserted.
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
   * Nudges the operator if the step is still pending after `every`, then every `every`. Must be harmless while the
   * operator works. `nudgeBack`: while the effect is undone.
   */
  readonly nudge?: { readonly every: Milliseconds; send(run: FlatRun<Spec>): Promise<void> }
  readonly nudgeBack?: Behaviour<Spec>['nudge']
  /** Takes the effect back, before the point of no return: idempotent, and harmless where the effect never happened. */
  undo?(run: FlatRun<Spec>): Promise<void>
  /** Observes whether it is taken back, and what was before is true again. */
  undone?(run: FlatRun<Spec>): Promise<FlatProgress>
  /**
   * Bumps the object's version so that in-flight writes of an earlier process fail their precondition. With it, `apply`
   * and `undo` are called only while `due` says so, and `undone` is mandatory.
   */
  invalidate?(run: FlatRun<Spec>): Promise<void>
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
   * Whether the point of no return is passed: an effect that another manager reverts is then done again each time.
   */
  readonly pastReturn?: boolean
  /** For `apply` and `undo`: what `done` or `undone` saw, and what the effect must hold on to. */
  readonly precondition?: JsonObject
  /** What an earlier step of this run proved. */
  proofOf(step: StepId): JsonObject | null
}
