import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'

/** Write-ahead: the intent is on record before the effect, the result before anything rests on it. */
export interface Recorder {
  intent(step: PlannedStep, at: string): Promise<void>
  result(step: PlannedStep, at: string, outcome: 'done' | 'was-done', proof: JsonObject): Promise<void>
  failed(step: PlannedStep, at: string, error: StandbyError): Promise<void>
  givenUp(step: PlannedStep, at: string, error: StandbyError): Promise<void>
  /** A fence that was on record is open, and `rest` are the steps that rest on it. */
  reopened(step: PlannedStep, at: string, rest: readonly StepId[]): Promise<void>
  turnedBack(at: string): Promise<void>
  /** `proof`: that what was before is true again. */
  undone(step: PlannedStep, at: string, proof: JsonObject): Promise<void>
}
