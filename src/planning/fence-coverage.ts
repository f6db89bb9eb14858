import { FENCE_LEVELS, type FenceLevel, partsOf } from '../domain/fence-levels.ts'
import type { Observed } from '../domain/observed.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { Component, ComponentName, Stack } from '../domain/stack.ts'
import { closesBySelf, hasFence, hasSelfFencing, isGuarded, standsOn } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'

/** The levels that one step holds when it is done. */
export function levelsOfStep({ fence, byTime }: PlannedStep): readonly FenceLevel[] {
  if (byTime === true) return SHUT_BY_ITSELF
  return fence === undefined ? [] : [fence]
}
/** The levels that a site holds when it shuts itself. */
const SHUT_BY_ITSELF: readonly FenceLevel[] = ['application', 'database']

/** The components that each level has to shut: a fence of one database shuts no other database. */
export type ToShut = Readonly<Partial<Record<FenceLevel, readonly ComponentName[]>>>

/** The levels at which these steps shut everything that must be shut, lowest first. Pure. */
export const fenceLevels = (steps: readonly PlannedStep[], toShut: ToShut = {}): FenceLevel[] =>
  FENCE_LEVELS.filter(
    (level) => steps.some((step) => levelsOfStep(step).includes(level)) && openAt(level, steps, toShut).length === 0,
  )

/** Those of them that hold by time alone: no step sees them shut. */
export const levelsByTime = (steps: readonly PlannedStep[], toShut: ToShut = {}): FenceLevel[] => {
  const seen = fenceLevels(
    steps.filter(({ byTime }) => byTime !== true),
    toShut,
  )
  return fenceLevels(steps, toShut).filter((level) => !seen.includes(level))
}

/** The components that the required level has to shut, and that these steps leave open. Pure. */
export const leftOpen = (steps: readonly PlannedStep[], toShut: ToShut, required: FenceLevel): ComponentName[] => [
  ...new Set(partsOf(required).flatMap((level) => openAt(level, steps, toShut))),
]

const openAt = (level: FenceLevel, steps: readonly PlannedStep[], toShut: ToShut): ComponentName[] =>
  (toShut[level] ?? []).filter((component) => !steps.some((step) => shuts(step, component, level)))

/** The wait for self-fencing covers every component that a guard closes. */
const shuts = (step: PlannedStep, component: ComponentName, level: FenceLevel): boolean =>
  (step.byTime === true || step.component === component) && levelsOfStep(step).includes(level)

/** Whether one of these steps promotes a component for good: it gets a history of its own on the other site. */
export const isPromoted = (steps: readonly PlannedStep[], component: ComponentName): boolean =>
  steps.some((step) => step.component === component && step.phase === 'PROMOTE' && step.irreversible)

/** Whether a step sees the data of its component on the site that takes over, held there by a lock of its own. Pure. */
export const seesHeld = ({ fence, site }: PlannedStep, { to }: Pick<Intent, 'to'>): boolean =>
  fence === 'database' && site === to

/**
 * Which components the guard of this stack closes by itself: those on its own platform that it has a way to close. A
 * guard in a cluster reaches no host, one on hosts no cluster, and none what stands outside of its site. `guard`: which
 * one, where the stack has several.
 */
export function closedByGuard(
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
  guard = stack.components.find(({ driver }) => hasSelfFencing(drivers[driver])),
): (component: Component) => boolean {
  const own = guard === undefined ? undefined : drivers[guard.driver]
  if (guard === undefined || own === undefined) return ({ driver }) => isGuarded(drivers[driver])
  const [platform, closes] = [standsOn(own, guard), closesBySelf(own, guard)]
  return (component) => {
    const driver = drivers[component.driver]
    return driver !== undefined && closes(driver) && standsOn(driver, component) === platform
  }
}

/**
 * The components that must be shut on the site that the stack leaves. Levels `database` and `archive`: each one that
 * these steps promote, or see held on the other site by its own lock. Level `application`: each other one that can be
 * fenced. A component that is seen to be passive or absent there takes no write. Pure.
 */
export function toShutOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
): ToShut {
  const roleOf = (name: ComponentName): string => roleOfSeen(observation.components[name]?.[intent.from])
  const awake = stack.components.filter(({ name }) => roleOf(name) !== 'passive')
  // What a lock holds on the site that takes over is shut at the level of its data, as what is promoted.
  const isHeld = (name: ComponentName): boolean =>
    steps.some((step) => step.component === name && seesHeld(step, intent))
  const promoted = awake.filter(({ name }) => isPromoted(steps, name) || isHeld(name)).map(({ name }) => name)
  // A component without a role, such as an archive, serves no user by itself: the ones that use it are shut.
  const fenced = awake
    .filter(({ name, driver }) => hasFence(drivers[driver]) && !promoted.includes(name) && roleOf(name) !== 'unknown')
    .map(({ name }) => name)
  return { application: fenced, database: promoted, archive: promoted }
}

function roleOfSeen(seen: Observed | undefined): string {
  if (seen?.kind === 'answering') return seen.role
  return seen?.kind === 'absent' ? 'passive' : 'not seen'
}
