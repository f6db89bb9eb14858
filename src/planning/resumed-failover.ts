import type { Observation } from '../observation/observation.ts'
import type { Stack } from '../stack/stack.ts'
import type { Driver } from './driver.ts'
import { fenceLevels } from './fence-levels.ts'
import { fencingFindings, requiredFence } from './fencing.ts'
import { livenessOf } from './liveness.ts'
import { lossFindings, lossOf } from './loss.ts'
import type { Finding, Plan, StepId } from './plan.ts'

/**
 * What speaks against going on with a failover that has not named the new site yet: the lost site may have come back meanwhile, and what is
 * predicted to be lost grows. A fence that the run may go on without counts only when it is shut. Pure.
 */
export function resumedFailoverFindings(
  stack: Stack,
  observation: Observation,
  { intent, steps }: Plan,
  drivers: Readonly<Record<string, Driver>>,
  isDone: (step: StepId) => boolean,
): Finding[] {
  if (intent.mode !== 'failover') return []
  const liveness = livenessOf(stack, observation, drivers, intent.from)
  const certain = fenceLevels(steps.filter(({ id, bestEffort }) => bestEffort === undefined || isDone(id)))
  return [
    ...fencingFindings({ required: requiredFence(stack, intent, liveness, drivers), planned: certain }, liveness, intent, null),
    ...lossFindings(lossOf(stack, observation, intent, drivers), intent),
  ]
}
