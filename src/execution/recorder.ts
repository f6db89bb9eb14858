import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import type { Journal } from '../witness/journal.ts'

/** Write-ahead: the intent is on record before the effect, the result before anything depends on it. */
export interface Recorder {
  intent(step: PlannedStep, at: string): Promise<void>
  result(step: PlannedStep, at: string, outcome: 'done' | 'was-done', proof: JsonObject): Promise<void>
  failed(step: PlannedStep, at: string, error: StandbyError): Promise<void>
  givenUp(step: PlannedStep, at: string, error: StandbyError): Promise<void>
  /** A fence that was on record is open, and the steps of `rest` depend on it. */
  reopened(step: PlannedStep, at: string, rest: readonly StepId[]): Promise<void>
  turnedBack(at: string): Promise<void>
  /** `proof`: that the earlier state holds again. */
  undone(step: PlannedStep, at: string, proof: JsonObject): Promise<void>
}

export const recorderTo = (journal: Pick<Journal, 'append'>): Recorder => ({
  intent: (step, at) => journal.append({ kind: 'intent', at, step: step.id }),
  result: (step, at, outcome, proof) => journal.append({ kind: 'result', at, step: step.id, outcome, proof }),
  failed: (step, at, error) =>
    journal.append({ kind: 'failed', at, step: step.id, code: error.code, what: error.message }),
  givenUp: (step, at, error) =>
    journal.append({ kind: 'given-up', at, step: step.id, code: error.code, what: error.message }),
  turnedBack: (at) => journal.append({ kind: 'turned-back', at }),
  reopened: (step, at, rest) => journal.append({ kind: 'reopened', at, step: step.id, rest }),
  undone: (step, at, proof) => journal.append({ kind: 'undone', at, step: step.id, proof }),
})
