import { type FenceLevel, reaches } from '../domain/fence-levels.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { componentSelfFencing, hasSelfFencing } from '../driver/ask.ts'
import type { SelfFencing } from '../driver/assessment.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { viewUnder } from '../observation/site-view.ts'
import { closedByGuard, fenceLevels, isPromoted, type ToShut } from './fence-coverage.ts'

/**
 * Whether the lost site shuts itself, and within which time; null outside of failovers, and in a stack without a guard.
 * A plan does not wait for self-fencing where a component that it promotes, or that must be shut, is none that the
 * guard can shut: it stands outside, or on another platform than the guard. Pure.
 */
export function selfFencingOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
  toShut: ToShut,
): SelfFencing | null {
  if (intent.mode !== 'failover') return null
  const guard = stack.components.find(({ driver }) => hasSelfFencing(drivers[driver]))
  if (guard === undefined) return null
  const states = observation.components[guard.name] ?? {}
  const found = componentSelfFencing(drivers[guard.driver], guard, states, intent, stack)
  if (found === null || found.within === null) return found
  // A silent platform proves nothing. One that answers, and whose guard alone is not seen, may have none.
  const under = viewUnder(drivers[guard.driver], guard, intent.from, observation)
  if (under?.kind === 'answering' && states[intent.from]?.kind !== 'answering')
    return {
      within: null,
      why: `${intent.from} answers, and ${guard.name} cannot be seen there`,
      next: 'Find out why, then make a new plan.',
    }
  const isClosed = closedByGuard(stack, drivers)
  const unguarded = stack.components.find(
    (component) =>
      !isClosed(component) &&
      (isPromoted(steps, component.name) || toShut.application?.includes(component.name) === true),
  )
  if (unguarded === undefined) return found
  return {
    within: null,
    why: `${unguarded.name} (${unguarded.driver}) cannot be closed from inside a site`,
    next: 'Add a component that reaches the level from outside, such as one of the driver command.',
  }
}

/**
 * The wait for self-fencing, where the required level needs it and no proven fence holds that level: users wait for all
 * of it. At most one step. Pure.
 */
export function selfFencingSteps(
  selfFencing: SelfFencing | null,
  required: FenceLevel | null,
  steps: readonly PlannedStep[],
  toShut: ToShut = {},
): PlannedStep[] {
  const waitedFor = levelByItself(required)
  if (selfFencing === null || selfFencing.within === null || waitedFor === null) return []
  if (reaches(fenceLevels(steps, toShut), waitedFor)) return []
  return [{ ...selfFencing.wait, phase: 'PROMOTE', fence: waitedFor, byTime: true }]
}

/**
 * The part of a required level that a site holds when it shuts itself; null: none. A guard revokes no archive: of the
 * level `archive` it holds the database.
 */
export function levelByItself(required: FenceLevel | null): 'application' | 'database' | null {
  if (required === 'archive') return 'database'
  return required === 'application' || required === 'database' ? required : null
}
