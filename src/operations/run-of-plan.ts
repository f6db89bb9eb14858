import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { Asked } from '../witness/journal.ts'

/** One process's part of a run. */
export interface RunOfPlan {
  readonly plan: Plan
  readonly approval: Approval
  readonly run: string
  readonly how: 'begin' | 'resume' | 'abort'
  /** Who takes it back, and why. */
  readonly asked?: Asked
}
