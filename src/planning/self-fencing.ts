import { type FenceLevel, reaches } from '../domain/fence-levels.ts'
import type { Fencing, Finding, Intent, PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { SelfFencing } from '../driver/assessment.ts'
import type { Driver } from '../driver/driver.ts'
import type { Observation } from '../observation/observation.ts'
import { readableDuration } from '../values/duration.ts'
import { fenceLevels, isGuarded, isPromoted, type ToShut } from './fence-coverage.ts'

/**
 * What is known of the lost site's closing by itself; null where the stack has nothing of the kind, and outside
 * failovers. Pure. Self-fencing is not waited for where it promotes what no guard can close.
 */
export function selfFencingOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
): SelfFencing | null {
  if (intent.mode !== 'failover') return null
  const guard = stack.components.find(({ driver }) => drivers[driver]?.selfFencing !== undefined)
  if (guard === undefined) return null
  const states = observation.components[guard.name] ?? {}
  const found = drivers[guard.driver]?.selfFencing?.(guard, states, intent, stack) ?? null
  if (found === null || found.within === null) return found
  // A silent site speaks against nothing; one that answers, and of which only this can not be seen, does.
  if (observation.sites[intent.from]?.kind === 'answering' && states[intent.from]?.kind !== 'answering')
    return {
      within: null,
      why: `${intent.from} answers, and ${guard.name} can not be seen there`,
      next: 'Find out why, then make a new plan.',
    }
  const unguarded = stack.components.find(({ name, driver }) => !isGuarded(drivers[driver]) && isPromoted(steps, name))
  if (unguarded === undefined) return found
  return {
    within: null,
    why: `${unguarded.name} (${unguarded.driver}) can not be closed from inside a site`,
    next: 'Add a component that reaches the level from outside, such as one of the driver command.',
  }
}

/**
 * The wait, where a level that the guard reaches is demanded and no proven fence holds it: it costs its whole time.
 * Pure.
 */
export function selfFencingSteps(
  selfFencing: SelfFencing | null,
  required: FenceLevel | null,
  steps: readonly PlannedStep[],
  toShut: ToShut = {},
): PlannedStep[] {
  const waitedFor = levelByItself(required)
  if (selfFencing === null || selfFencing.within === null || waitedFor === null) return []
  return reaches(fenceLevels(steps, toShut), waitedFor)
    ? []
    : [{ ...selfFencing.wait, phase: 'PROMOTE', fence: waitedFor, byTime: true }]
}

/**
 * What a site that shuts itself holds of this level; null: nothing. No guard revokes an archive, which demands the
 * database as well.
 */
export const levelByItself = (required: FenceLevel | null): 'application' | 'database' | null =>
  required === 'archive' ? 'database' : required === 'application' || required === 'database' ? required : null

/**
 * Says how long the lost site may write on beside the promoted one, where nobody demands that a failover shuts it
 * inside, and it does not.
 */
export function selfFencingFindings(
  selfFencing: SelfFencing | null,
  { required }: Fencing,
  intent: Intent,
  steps: readonly PlannedStep[],
  toShut: ToShut = {},
): Finding[] {
  // A fence that the run may go on without shuts nothing for certain.
  const certain = fenceLevels(
    steps.filter(({ bestEffort }) => bestEffort === undefined),
    toShut,
  )
  if (
    selfFencing === null ||
    levelByItself(required) !== null ||
    reaches(certain, 'database') ||
    reaches(certain, 'application')
  )
    return []
  const site = intent.from
  const bound =
    selfFencing.within === null
      ? 'and nobody can say for how long'
      : `for up to ${readableDuration(selfFencing.within)}`
  return [
    {
      code: 'self-fencing-not-awaited',
      severity: 'info',
      site,
      what: `${site} may take writes from inside after the promotion, if it lives, ${bound}${selfFencing.within === null ? `: ${selfFencing.why}` : ', until its guard has shut it'}`,
      next:
        selfFencing.within === null
          ? selfFencing.next
          : 'To wait for that before anything is promoted, declare fencing.failover: database.',
    },
  ]
}
