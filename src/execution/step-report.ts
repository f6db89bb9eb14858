import type { Phase, PlannedStep, StepId } from '../domain/plan.ts'
import type { SiteName } from '../domain/stack.ts'
import type { JsonObject } from '../values/json.ts'
import { isDone, type StepState } from './run-state.ts'

/** What became of one step of a run, as far as this process knows. */
export interface StepReport {
  readonly id: StepId
  readonly title: string
  readonly phase: Phase
  readonly site: SiteName | null
  /** unknown: begun, and its end was not seen; its effect may have happened. */
  readonly outcome: 'done' | 'was-done' | 'failed' | 'given-up' | 'not-reached' | 'undone' | 'unknown'
  readonly begunAt: string | null
  readonly endedAt: string | null
  readonly proof: JsonObject | null
  /**
   * Of a step that is undone: when it was taken back, and what was seen then. Times and proof above stay those of its
   * effect.
   */
  readonly takenBack?: TakenBack
}

export interface TakenBack {
  readonly begunAt: string | null
  readonly endedAt: string
  /** That the earlier state holds again; empty where it cannot be observed. */
  readonly proof: JsonObject
}

/** Of a step that was not begun. */
export function notReached(step: PlannedStep): StepReport {
  return {
    id: step.id,
    title: step.title,
    phase: step.phase,
    site: step.site,
    outcome: 'not-reached',
    begunAt: null,
    endedAt: null,
    proof: null,
  }
}

/** Of a step before this process does anything, by what earlier ones have left on record. */
export const reportBefore = (
  step: PlannedStep,
  state: StepState | undefined,
  proof: JsonObject | undefined,
): StepReport => ({
  ...notReached(step),
  outcome: outcomeBefore(state),
  proof: proof ?? null,
})

function outcomeBefore(state: StepState | undefined): StepReport['outcome'] {
  if (isDone(state)) return 'was-done'
  if (state === 'said-undone') return 'undone'
  return state === 'undone' || state === 'given-up' ? state : 'not-reached'
}
