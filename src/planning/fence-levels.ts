import { FENCE_LEVELS, type FenceLevel } from '../stack/fence-levels.ts'
import type { PlannedStep } from './plan.ts'

/** The levels that one step holds when it is done. */
export const levelsOfStep = ({ fence, byTime }: PlannedStep): readonly FenceLevel[] =>
  byTime === true ? SHUT_BY_ITSELF : fence === undefined ? [] : [fence]
/** What a site that shuts itself shuts. */
const SHUT_BY_ITSELF: readonly FenceLevel[] = ['application', 'database']

/** The levels that these steps hold, lowest first. Pure. */
export const fenceLevels = (steps: readonly PlannedStep[]): FenceLevel[] =>
  FENCE_LEVELS.filter((level) => steps.some((step) => levelsOfStep(step).includes(level)))

/** Those of them that nobody sees shut. */
export const levelsByTime = (steps: readonly PlannedStep[]): FenceLevel[] => {
  const seen = fenceLevels(steps.filter(({ byTime }) => byTime !== true))
  return fenceLevels(steps).filter((level) => !seen.includes(level))
}

/** Whether these levels hold the required one; without power a site does nothing. */
export const reaches = (levels: readonly FenceLevel[], required: FenceLevel): boolean =>
  levels.includes(required) || levels.includes('power')
