import { FENCE_LEVELS, type FenceLevel } from '../domain/fence-levels.ts'
import type { Plan } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import { levelsOfStep } from '../planning/fence-coverage.ts'

/**
 * The required level, and the levels that are proven shut. A level counts when the plan shuts every part of it (one
 * database of two is not enough), and every step for it is done and not taken back. For a plan that demands no level
 * only its steps count. Pure.
 */
export interface ReachedFence {
  readonly required: FenceLevel | null
  readonly reached: readonly FenceLevel[]
  /**
   * The levels that no step saw shut: they rely on the guard of the old site. Absent where there is none.
   */
  readonly byTime?: readonly FenceLevel[]
}

export function reachedFence(plan: Pick<Plan, 'steps' | 'fencing'>, steps: readonly StepReport[]): ReachedFence {
  const done = new Set(steps.filter(({ outcome }) => outcome === 'done' || outcome === 'was-done').map(({ id }) => id))
  const { required, planned, byTime: waited = [] } = plan.fencing
  const shuts = (level: FenceLevel): boolean => {
    const own = plan.steps.filter((step) => levelsOfStep(step).includes(level))
    return (required === null || planned.includes(level)) && own.length > 0 && own.every(({ id }) => done.has(id))
  }
  const reached = FENCE_LEVELS.filter(shuts)
  const byTime = waited.filter((level) => reached.includes(level))
  return { required, reached, ...(byTime.length === 0 ? {} : { byTime }) }
}
