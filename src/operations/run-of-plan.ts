import type { Approval } from '../approval/approval.ts'
import type { Asked } from '../execution/journal.ts'
import type { Plan } from '../planning/plan.ts'

/** One process's part of a run. */
export interface RunOfPlan {
  readonly plan: Plan
  readonly approval: Approval
  readonly run: string
  readonly how: 'begin' | 'resume' | 'abort'
  /** Who takes it back, and why. */
  readonly asked?: Asked
}
