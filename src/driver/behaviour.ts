import type { Intent, Phase } from '../domain/plan.ts'
import type { Component, SiteName } from '../domain/stack.ts'
import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { DriverContext } from './context.ts'
import type { Proof } from './proofs.ts'

/**
 * How far a step is. `Precondition` is `never` for plain behaviours: they cannot say that an effect is due "on what was
 * seen".
 */
export type Seen<P extends Proof, Precondition> =
  | { readonly is: 'done'; readonly proof: P }
  | { readonly is: 'pending'; readonly waitingFor: string; readonly due?: Precondition; readonly revertedBy?: string }
  /** Waiting cannot help. */
  | { readonly is: 'failed'; readonly code: AnyReasonCode; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * What a process remembers of one step while it works on it. Each performer of a step has a memory of its own (each
 * process, each direction, each look at a claim on record), so nothing may rest on it but politeness and speed.
 */
export interface Memory<M> {
  readonly value: M | undefined
  set(value: M): void
}

export interface StepRun<Spec, Parameters extends JsonObject, M = never> {
  readonly step: RunningStep<Parameters>
  readonly component: Component<Spec>
  readonly site: SiteName | null
  /** null outside moves. */
  readonly intent: Intent | null
  readonly context: DriverContext
  /** Aborted at the step's deadline and on cancellation. */
  readonly signal: AbortSignal
  /** ISO 8601; also after a resume. */
  readonly begunAt: string
  readonly memory: Memory<M>
  /** Whether this process has performed the effect. */
  readonly applied: boolean
  readonly pastReturn: boolean
  /**
   * What an earlier step of this run proved; null where it has not run. It is what the action of that step left, in
   * this process or in the journal of the run: its shape is not checked, so its reader asks for no more than it needs.
   */
  proofOf<P extends Proof>(reference: StepReference<P>): P | null
}
export interface RunningStep<Parameters> {
  readonly id: string
  readonly phase: Phase
  readonly parameters: Parameters
}

/** A step of this or another component, with the type of what it proves. As data in a plan it is the step's id. */
declare const proves: unique symbol
export interface StepReference<P extends Proof> {
  readonly id: string
  readonly [proves]?: P
}

interface Common<Spec, Parameters extends JsonObject, M> {
  /** Yields whenever `done` is worth asking again. */
  changes?(run: StepRun<Spec, Parameters, M>): AsyncIterable<unknown>
  /**
   * Nudges the operator if the step is still pending after `every`, then every `every`. Must be harmless while the
   * operator works.
   */
  readonly nudge?: { readonly every: Milliseconds; send(run: StepRun<Spec, Parameters, M>): Promise<void> }
}

/** Waits or checks; changes nothing. */
export interface Check<Spec, Parameters extends JsonObject, P extends Proof, M = never>
  extends Common<Spec, Parameters, M> {
  readonly is: 'check'
  done(run: StepRun<Spec, Parameters, M>): Promise<Seen<P, never>>
}

/**
 * Its object has no versions (a load balancer, a program): the effect is idempotent, and looked at before it is
 * repeated.
 */
export interface Plain<Spec, Parameters extends JsonObject, P extends Proof, M = never>
  extends Common<Spec, Parameters, M> {
  readonly is: 'plain'
  done(run: StepRun<Spec, Parameters, M>): Promise<Seen<P, never>>
  apply(run: StepRun<Spec, Parameters, M>): Promise<void>
  readonly back: Back<StepRun<Spec, Parameters, M>, never> | NoWayBack
}

/**
 * Its object has versions: every effect is a compare-and-set on what `done` (or `undone`) saw. The engine looks, then
 * asserts the lock, then calls the effect with that precondition; a process that took the lock in between has
 * invalidated it.
 */
export interface Versioned<
  Spec,
  Parameters extends JsonObject,
  P extends Proof,
  Precondition extends JsonObject,
  M = never,
> extends Common<Spec, Parameters, M> {
  readonly is: 'versioned'
  done(run: StepRun<Spec, Parameters, M>): Promise<Seen<P, Precondition>>
  apply(run: StepRun<Spec, Parameters, M>, precondition: Precondition): Promise<void>
  /**
   * Bumps the object's version so that in-flight writes of an earlier process fail their precondition. Harmless,
   * repeatable.
   */
  invalidate(run: StepRun<Spec, Parameters, M>): Promise<void>
  readonly back: Back<StepRun<Spec, Parameters, M>, Precondition> | NoWayBack
}

/** The way back before the point of no return: both halves, or none. */
export interface Back<Run, Precondition> {
  /** Idempotent, and harmless where the effect never happened. Plain behaviours get no precondition. */
  undo(run: Run, ...precondition: [Precondition] extends [never] ? [] : [precondition: Precondition]): Promise<void>
  undone(run: Run): Promise<Seen<Proof, Precondition>>
  readonly nudge?: { readonly every: Milliseconds; send(run: Run): Promise<void> }
}
/**
 * `irreversible`: from PROMOTE on, or a fence that only people open again (power). `leaves-nothing`: it does not hurt
 * an aborted move (a backup, a checkpoint). `undone-by`: the way back of another action of the same move covers it.
 */
export type NoWayBack =
  | { readonly is: 'irreversible' }
  | { readonly is: 'leaves-nothing'; readonly because: string }
  | { readonly is: 'undone-by'; readonly action: string }
