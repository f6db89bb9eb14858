import { FENCE_LEVELS, type FenceLevel, partsOf } from '../domain/fence-levels.ts'
import type { Observed } from '../domain/observed.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { ComponentName, Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import type { Observation } from '../observation/observation.ts'
import { standsOn } from '../platform/registry.ts'

/** The levels that one step holds when it is done. */
export const levelsOfStep = ({ fence, byTime }: PlannedStep): readonly FenceLevel[] =>
  byTime === true ? SHUT_BY_ITSELF : fence === undefined ? [] : [fence]
/** What a site that shuts itself shuts. */
const SHUT_BY_ITSELF: readonly FenceLevel[] = ['application', 'database']

/** The components that each level has to shut: a database that is fenced shuts no other one. */
export type ToShut = Readonly<Partial<Record<FenceLevel, readonly ComponentName[]>>>

/** The levels that these steps hold, of all that is to be shut, lowest first. Pure. */
export const fenceLevels = (steps: readonly PlannedStep[], toShut: ToShut = {}): FenceLevel[] =>
  FENCE_LEVELS.filter(
    (level) => steps.some((step) => levelsOfStep(step).includes(level)) && openAt(level, steps, toShut).length === 0,
  )

/** Those of them that nobody sees shut. */
export const levelsByTime = (steps: readonly PlannedStep[], toShut: ToShut = {}): FenceLevel[] => {
  const seen = fenceLevels(
    steps.filter(({ byTime }) => byTime !== true),
    toShut,
  )
  return fenceLevels(steps, toShut).filter((level) => !seen.includes(level))
}

/** What the required level has to shut, and these steps leave open. Pure. */
export const leftOpen = (steps: readonly PlannedStep[], toShut: ToShut, required: FenceLevel): ComponentName[] => [
  ...new Set(partsOf(required).flatMap((level) => openAt(level, steps, toShut))),
]

const openAt = (level: FenceLevel, steps: readonly PlannedStep[], toShut: ToShut): ComponentName[] =>
  (toShut[level] ?? []).filter((component) => !steps.some((step) => shuts(step, component, level)))

/** A wait in front of every promotion is for all that a guard closes. */
const shuts = (step: PlannedStep, component: ComponentName, level: FenceLevel): boolean =>
  (step.byTime === true || step.component === component) && levelsOfStep(step).includes(level)

/**
 * Whether one of these steps gives a component a history of its own on the other site: what it is there can not be
 * taken back.
 */
export const isPromoted = (steps: readonly PlannedStep[], component: ComponentName): boolean =>
  steps.some((step) => step.component === component && step.phase === 'PROMOTE' && step.irreversible)

/** Whether its components take writes in a site, and can be shut there. */
export const canBeFenced = (driver: Driver | undefined): driver is Driver =>
  driver?.scope === 'site' && driver.fence !== undefined

/**
 * Which drivers the guard of this stack closes by itself: those that can be fenced and stand on its own platform. A
 * guard in a cluster reaches no host.
 */
export function closedByGuard(
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
): (driver: Driver | undefined) => boolean {
  const guard = stack.components.map(({ driver }) => drivers[driver]).find((one) => one?.selfFencing !== undefined)
  const platform = standsOn(guard ?? {})
  return (driver) => canBeFenced(driver) && standsOn(driver) === platform
}

/**
 * What is to be shut on the site that the stack leaves: of the database and its archive all that these steps promote,
 * of the application all else that can be fenced and has a role. What is seen asleep there, or not there at all, takes
 * no write. Pure.
 */
export function toShutOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  steps: readonly PlannedStep[],
): ToShut {
  const roleOf = (name: ComponentName): string => {
    const seen: Observed | undefined = observation.components[name]?.[intent.from]
    return seen?.kind === 'answering' ? seen.role : seen?.kind === 'absent' ? 'passive' : 'not seen'
  }
  const awake = stack.components.filter(({ name }) => roleOf(name) !== 'passive')
  const promoted = awake.filter(({ name }) => isPromoted(steps, name)).map(({ name }) => name)
  // One that is seen, and has no role, serves nobody by itself: what uses it is shut.
  const fenced = awake
    .filter(
      ({ name, driver }) => canBeFenced(drivers[driver]) && !promoted.includes(name) && roleOf(name) !== 'unknown',
    )
    .map(({ name }) => name)
  return { application: fenced, database: promoted, archive: promoted }
}
