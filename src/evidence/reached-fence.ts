import type { StepReport } from '../operations/reports.ts'
import { levelsByTime, levelsOfStep } from '../planning/fence-levels.ts'
import type { Plan } from '../planning/plan.ts'
import { FENCE_LEVELS, type FenceLevel } from '../stack/fence-levels.ts'

/** What had to be shut, and what is proven to be: a level counts when every step that the plan has for it is done, and not taken back. Pure. */
export interface ReachedFence {
  readonly required: FenceLevel | null
  readonly reached: readonly FenceLevel[]
  /** Those of them that nobody saw shut: the old site's guard was outwaited. Absent where there is none. */
  readonly byTime?: readonly FenceLevel[]
}

export function reachedFence(plan: Pick<Plan, 'steps' | 'fencing'>, steps: readonly StepReport[]): ReachedFence {
  const done = new Set(steps.filter(({ outcome }) => outcome === 'done' || outcome === 'was-done').map(({ id }) => id))
  const shuts = (level: FenceLevel): boolean => {
    const own = plan.steps.filter((step) => levelsOfStep(step).includes(level))
    return own.length > 0 && own.every(({ id }) => done.has(id))
  }
  const reached = FENCE_LEVELS.filter(shuts)
  const byTime = levelsByTime(plan.steps).filter((level) => reached.includes(level))
  return { required: plan.fencing.required, reached, ...(byTime.length === 0 ? {} : { byTime }) }
}
