import type { Intent, Plan } from '../domain/plan.ts'
import { planCommand } from '../planning/plan-command.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { type Refusal, refusal } from './refusal.ts'

/** What an approval needs to know of a plan. */
export interface PlanInQuestion {
  /** Computed here, from the plan that is about to be executed. */
  readonly digest: string
  readonly expiresAt: string
  readonly intent: Intent
  /** Address of the GitHub run whose plan job made it; null when it was made elsewhere. */
  readonly madeIn: string | null
}

export const planInQuestion = (plan: Plan): PlanInQuestion => ({
  digest: digestOf(plan),
  expiresAt: plan.expiresAt,
  intent: plan.intent,
  madeIn: plan.madeIn ?? null,
})

/** Refuses a plan that does not have the approved digest. Pure. */
export function ofDigest(plan: PlanInQuestion, approved: string): Refusal[] {
  return plan.digest === approved
    ? []
    : [
        refusal(
          'digest-mismatch',
          `the approved digest is ${approved}, this plan has ${plan.digest}`,
          'Hand over the plan that was reviewed, unchanged.',
        ),
      ]
}

/** Refuses a plan that has expired, or has no readable expiry. Pure. */
export function ofExpiry(plan: PlanInQuestion, now: string): Refusal[] {
  // Not `<=`: a date that cannot be read must not count as one in the future.
  return Date.parse(plan.expiresAt) > Date.parse(now)
    ? []
    : [
        refusal(
          'plan-expired',
          `the plan expired at ${plan.expiresAt}`,
          `Make a new plan: ${planCommand(plan.intent)}.`,
        ),
      ]
}
