import { reaches } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import { type Finding, leavesLostSite, type Plan, type StepId } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { livenessOf } from './liveness.ts'
import { lossFindings, lossOf } from './loss.ts'
import { requiredFence } from './required-fence.ts'

/**
 * What speaks against going on with a failover or a follow that has not named the new site yet: the lost site may have
 * come back meanwhile, and what is predicted to be lost grows. A fence that the run may go on without counts only when
 * it is shut. Pure.
 */
export function resumedFailoverFindings(
  stack: Stack,
  observation: Observation,
  plan: Plan,
  drivers: Readonly<Record<string, Driver>>,
  isDone: (step: StepId) => boolean,
): Finding[] {
  const { intent } = plan
  if (!leavesLostSite(intent)) return []
  const liveness = livenessOf(stack, observation, drivers, intent.from)
  return [
    ...fenceFindings(plan, requiredFence(stack, intent, liveness, drivers), liveness, isDone),
    ...lossFindings(lossOf(stack, observation, intent, drivers), intent),
  ]
}

function fenceFindings(
  { fencing, steps }: Plan,
  required: Plan['fencing']['required'],
  { site, sightings }: Liveness,
  isDone: (step: StepId) => boolean,
): Finding[] {
  const certain = fencing.planned.filter(
    (level) => !steps.some(({ id, fence, bestEffort }) => fence === level && bestEffort !== undefined && !isDone(id)),
  )
  if (required === null || reaches(certain, required)) return []
  const alive = sightings.filter(({ says }) => says === 'up').map(({ from, what }) => `${from}: ${what}`)
  const why = alive.length === 0 ? '' : `, for ${site} is seen alive (${alive.join('; ')})`
  const has = certain.join(', ') || 'nothing'
  const what = `the fence of ${site} must reach ${required}${why}; what this run is certain to shut is ${has}`
  return [{ code: 'fence-too-low', severity: 'blocker', site, what }]
}
