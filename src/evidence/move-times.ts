import type { Phase, Plan } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'

/** The parts of the time until users were served again; null where unknown, or where the run ended earlier. */
export interface MoveTimes {
  /** People read the plan: from the plan to the approval, or to the start where the time of the approval is unknown. */
  readonly decide: Milliseconds | null
  /** From the approval to the start. */
  readonly approve: Milliseconds | null
  /** From the start to the opened traffic. */
  readonly execute: Milliseconds | null
  /** From the opened traffic to the last green check. */
  readonly green: Milliseconds | null
  /** From the start to the last green check: the RTO that the tool answers for. */
  readonly startToGreen: Milliseconds | null
}

/** Two clocks: GitHub's and the runner's. */
const SKEW: Milliseconds = seconds(30)

/**
 * The split of a run's time. `begunAt` is when its first process was asked to begin; steps of a rejoin open no traffic.
 * Pure.
 */
export function moveTimes(of: {
  readonly plan: Pick<Plan, 'madeAt'>
  readonly approvedAt: string | null
  readonly begunAt: string
  readonly steps: readonly StepReport[]
}): MoveTimes {
  const { plan, begunAt, steps } = of
  // An approval for a later process says nothing about how the run began.
  const approvedAt =
    of.approvedAt === null || Date.parse(of.approvedAt) > Date.parse(begunAt) + SKEW ? null : of.approvedAt
  const served = endOf(steps, ['TRAFFIC'])
  const green = endOf(steps, ['GREEN', 'TRAFFIC'])
  return {
    decide: between(plan.madeAt, approvedAt ?? begunAt),
    approve: approvedAt === null ? null : between(approvedAt, begunAt),
    execute: served === null ? null : between(begunAt, served),
    green: served === null || green === null ? null : between(served, green),
    startToGreen: green === null ? null : between(begunAt, green),
  }
}

/** The end of the last step of these phases; null when there is none, or one of them has not ended well. */
function endOf(steps: readonly StepReport[], phases: readonly Phase[]): string | null {
  const last = steps.filter(({ phase }) => phases.includes(phase))
  const good = last.every(({ outcome, endedAt }) => (outcome === 'done' || outcome === 'was-done') && endedAt !== null)
  return good
    ? (last
        .map(({ endedAt }) => endedAt ?? '')
        .sort()
        .at(-1) ?? null)
    : null
}

const between = (from: string, to: string): Milliseconds | null => {
  const span = Date.parse(to) - Date.parse(from)
  return Number.isNaN(span) ? null : Math.max(0, span)
}
