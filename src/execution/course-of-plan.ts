import { changesActiveSite, leavesLostSite, type Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { planCommand } from '../planning/plan-command.ts'
import { higherFence, requiredFence } from '../planning/required-fence.ts'
import { activateStep, LOCK_STEP } from '../planning/witness-steps.ts'
import { gateProblems } from './gates.ts'
import type { Course } from './run-state.ts'

/**
 * What the transition function needs to know of a plan. What changes no active site (a rejoin, a reopening) only goes
 * forward. What must be shut is what the stack file demands, or the plan, whichever is more: a plan that demands less
 * than its stack was altered.
 */
export function courseOf(
  { steps, intent, fencing, liveness }: Plan,
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
): Course {
  const demanded = requiredFence(stack, intent, liveness, drivers)
  const silent = { ...liveness, is: 'unknown', sightings: [] } as const
  const ends = { steps, lock: LOCK_STEP, stopsOthers: true, lost: leavesLostSite(intent) ? intent.from : null }
  if (!changesActiveSite(intent)) return { ...ends, pointOfNoReturn: null, required: null, ofSilentSite: null }
  return {
    ...ends,
    pointOfNoReturn: activateStep(intent),
    required: higherFence(demanded, fencing.required),
    ofSilentSite: requiredFence(stack, { ...intent, mode: 'failover' }, silent, drivers),
  }
}

/**
 * Throws `fence-missing`: regardless of the approval, nothing is promoted before a step that reaches the required
 * level.
 */
export function refuseUnfenced(course: Course, { intent }: Plan): void {
  const problems = gateProblems(course)
  if (problems.length === 0) return
  throw new StandbyError({
    code: 'fence-missing',
    mustAct: 'approval',
    what: `no step of this plan shuts ${intent.from} as far as ${course.required}: ${problems.join('; ')}`,
    where: intent.from,
    next: `Nothing was changed. Find out who changed the plan, and make a new one: ${planCommand(intent)}`,
  })
}
