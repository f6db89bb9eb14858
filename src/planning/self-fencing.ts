import { type FenceLevel, reaches } from '../domain/fence-levels.ts'
import type { Fencing, Finding, Intent, PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Outwait } from '../driver/assessment.ts'
import type { Driver } from '../driver/driver.ts'
import type { Observation } from '../observation/observation.ts'
import { readableDuration } from '../values/duration.ts'
import { fenceLevels, isGuarded, isPromoted, type ToShut } from './fence-coverage.ts'

/**
 * What is known of the lost site's closing by itself; null where the stack has nothing of the kind, and outside
 * failovers. Pure. A stack is not outwaited when it promotes what no guard can close.
 */
export function outwaitOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
): Outwait | null {
  if (intent.mode !== 'failover') return null
  const guard = stack.components.find(({ driver }) => drivers[driver]?.outwait !== undefined)
  if (guard === undefined) return null
  const states = observation.components[guard.name] ?? {}
  const found = drivers[guard.driver]?.outwait?.(guard, states, intent, stack) ?? null
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
export function outwaitSteps(
  outwait: Outwait | null,
  required: FenceLevel | null,
  steps: readonly PlannedStep[],
  toShut: ToShut = {},
): PlannedStep[] {
  const waitedFor = outwaitedFor(required)
  if (outwait === null || outwait.within === null || waitedFor === null) return []
  return reaches(fenceLevels(steps, toShut), waitedFor)
    ? []
    : [{ ...outwait.wait, phase: 'PROMOTE', fence: waitedFor, byTime: true }]
}

/**
 * What a site that shuts itself holds of this level; null: nothing. No guard revokes an archive, which demands the
 * database as well.
 */
export const outwaitedFor = (required: FenceLevel | null): 'application' | 'database' | null =>
  required === 'archive' ? 'database' : required === 'application' || required === 'database' ? required : null

/**
 * Says how long the lost site may write on beside the promoted one, where nobody demands that a failover shuts it
 * inside, and it does not.
 */
export function outwaitFindings(
  outwait: Outwait | null,
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
    outwait === null ||
    outwaitedFor(required) !== null ||
    reaches(certain, 'database') ||
    reaches(certain, 'application')
  )
    return []
  const site = intent.from
  const bound =
    outwait.within === null ? 'and nobody can say for how long' : `for up to ${readableDuration(outwait.within)}`
  return [
    {
      code: 'guard-not-outwaited',
      severity: 'info',
      site,
      what: `${site} may take writes from inside after the promotion, if it lives, ${bound}${outwait.within === null ? `: ${outwait.why}` : ', until its guard has shut it'}`,
      next:
        outwait.within === null
          ? outwait.next
          : 'To wait for that before anything is promoted, declare fencing.failover: database.',
    },
  ]
}
