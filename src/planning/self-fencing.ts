import { type FenceLevel, partsOf, reaches } from '../domain/fence-levels.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { Component, ComponentName, Stack } from '../domain/stack.ts'
import { componentSelfFencing, hasSelfFencing } from '../driver/ask.ts'
import type { SelfFencing } from '../driver/assessment.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { viewUnder } from '../observation/site-view.ts'
import { closedByGuard, fenceLevels, isPromoted, levelsOfStep, type ToShut } from './fence-coverage.ts'

/**
 * Whether the lost site shuts itself, and within which time; null outside of failovers, and in a stack without a guard.
 * A site of several platforms has a guard for each: what one of them closes no other one does. All guards count that
 * close something that no certain fence shuts, and the slowest of them is waited for. A plan does not wait for
 * self-fencing where a component that it promotes, or that must be shut, is none that a guard can shut: it stands
 * outside, or on a platform without a guard. Pure.
 */
export function selfFencingOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
  { required, toShut }: { readonly required: FenceLevel | null; readonly toShut: ToShut },
): SelfFencing | null {
  if (intent.mode !== 'failover') return null
  const guards = stack.components.filter(({ driver }) => hasSelfFencing(drivers[driver]))
  const closes = new Map(guards.map((guard) => [guard, closedByGuard(stack, drivers, guard)]))
  const open = stack.components.filter(({ name }) => isLeftToGuards(name, steps, required, toShut))
  const unguarded = open.find((component) => guards.every((guard) => closes.get(guard)?.(component) !== true))
  if (guards.length > 0 && unguarded !== undefined)
    return {
      within: null,
      why: `${unguarded.name} (${unguarded.driver}) cannot be closed from inside a site`,
      next: 'Add a component that reaches the level from outside, such as one of the driver command.',
    }
  const working = guards.filter((guard) => open.some((component) => closes.get(guard)?.(component) === true))
  const asked = working.length === 0 ? guards : working
  const found = asked.flatMap((guard) => shutBy(guard, stack, observation, intent, drivers) ?? [])
  const doubtful = found.find(({ within }) => within === null)
  if (found.length === 0 || doubtful !== undefined) return doubtful ?? null
  return found.reduce((slowest, one) => (timeOf(one) > timeOf(slowest) ? one : slowest))
}
const timeOf = ({ within }: SelfFencing): number => within ?? 0

/**
 * Whether nothing but the guards shuts a component that this move promotes, or that must be shut. A fence that is
 * planned counts where the required level needs it: the run may go on without another one.
 */
function isLeftToGuards(
  name: ComponentName,
  steps: readonly PlannedStep[],
  required: FenceLevel | null,
  toShut: ToShut,
): boolean {
  const isFenced = (level: FenceLevel): boolean =>
    required !== null &&
    partsOf(required).includes('database') &&
    steps.some((step) => step.component === name && levelsOfStep(step).includes(level))
  if (isPromoted(steps, name)) return !isFenced('database')
  return toShut.application?.includes(name) === true && !isFenced('application')
}

/** What one guard says of the site. */
function shutBy(
  guard: Component,
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): SelfFencing | null {
  const states = observation.components[guard.name] ?? {}
  const found = componentSelfFencing(drivers[guard.driver], guard, states, intent, stack)
  if (found === null || found.within === null) return found
  // A silent platform proves nothing. One that answers, and whose guard alone is not seen, may have none.
  const under = viewUnder(drivers[guard.driver], guard, intent.from, observation)
  if (under?.kind !== 'answering' || states[intent.from]?.kind === 'answering') return found
  return {
    within: null,
    why: `${intent.from} answers, and ${guard.name} cannot be seen there`,
    next: 'Find out why, then make a new plan.',
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
