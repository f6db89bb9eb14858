import { FENCE_LEVELS, type FenceLevel, reaches } from '../domain/fence-levels.ts'
import { type Fencing, type Intent, leavesLostSite, type PlannedStep } from '../domain/plan.ts'
import { seconds } from '../values/duration.ts'
import { seesHeld } from './fence-coverage.ts'
import { isOfFollower } from './followers.ts'

/** How long a part of a lost site that still answers is waited for: users wait meanwhile. */
const PATIENCE_IN_LOST_SITE = seconds(30)

/**
 * Marks the steps that the move can do without, and how long each is tried:
 * - the steps of a third site, which may come and go;
 * - in a failover or a follow, the fences that the required level does not need. Such a fence must not keep users
 *   waiting.
 *
 * A fence outside of the lost site (power, archive) keeps its own deadline. Pure.
 */
export function withBestEffort(steps: readonly PlannedStep[], fencing: Fencing, intent: Intent): PlannedStep[] {
  return steps.map((step) => {
    if (isOfFollower(step, intent)) return { ...step, bestEffort: step.deadline }
    if (!isDispensable(step, fencing, intent)) return step
    const inLostSite = step.site === intent.from
    return { ...step, bestEffort: inLostSite ? Math.min(step.deadline, PATIENCE_IN_LOST_SITE) : step.deadline }
  })
}

function isDispensable(step: PlannedStep, { required, planned }: Fencing, intent: Intent): boolean {
  const { fence, site } = step
  if (!leavesLostSite(intent) || required === null || fence === undefined) return false
  // Nothing is promoted after it: it alone proves that the new site has the data, whatever is demanded.
  if (seesHeld(step, intent)) return false
  const withoutPower = planned.filter((level) => level !== 'power')
  const holding = reaches(withoutPower, required) ? required : 'power'
  if (fence === holding) return false
  return isHigher(fence, required) || (holding === 'power' && site === intent.from)
}

const isHigher = (a: FenceLevel, b: FenceLevel): boolean => FENCE_LEVELS.indexOf(a) > FENCE_LEVELS.indexOf(b)
