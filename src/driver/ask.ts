/**
 * How the core asks a driver. A driver of a site and one of the whole stack answer the same questions, and a capability
 * that it lacks is an empty answer, so that no other place of the core branches on either.
 */
import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { FenceLevel } from '../domain/fence-levels.ts'
import type { LivenessSignal } from '../domain/liveness.ts'
import { type BySite, EVERYWHERE, type Gap, type Observed, type TakenOver } from '../domain/observed.ts'
import {
  asDriversKnow,
  type ComponentLoss,
  type Finding,
  type Intent,
  type KeptData,
  type PlannedStep,
} from '../domain/plan.ts'
import type { Sandbox } from '../domain/restore-test.ts'
import type { Component, SiteName, Stack } from '../domain/stack.ts'
import type { JsonObject } from '../values/json.ts'
import { type AnyAction, type DriverStep, idOfStep } from './action.ts'
import type { Assessment, SelfFencing } from './assessment.ts'
import type { Assesses, CopyRead, Driver, Moves, RestoresIn, SeesLiveness, SiteDriver } from './capabilities.ts'
import type { DriverContext, SqlRows } from './context.ts'
import type { Deployment, DeployUnit } from './deployment.ts'
import type { EngineBehaviour } from './engine.ts'
import type { GuardedUnit } from './guarded-units.ts'
import type { Manual, ManualSurroundings } from './manual.ts'
import type { RestoreTestReport } from './restore-test.ts'
import type { Varies } from './varying.ts'

/** What a driver of the whole stack is asked with when nothing was observed of it. */
const NOT_OBSERVED: Observed<never> = { kind: 'silent', why: 'not observed' }

const ofSites = (driver: Driver | undefined): SiteDriver<JsonObject, unknown> | undefined =>
  driver?.scope === 'site' ? driver : undefined

/** What both kinds of drivers have, over the states that each of them takes. */
interface OverStates<States> {
  readonly assess: Assesses<JsonObject, States>
  readonly moves?: Moves<JsonObject, States>
  readonly liveness?: SeesLiveness<JsonObject, States>
}
/** Asks with the states of all sites, or with the one of the whole stack. */
function withStates<Answer>(
  driver: Driver | undefined,
  states: BySite,
  none: Answer,
  ask: <States>(of: OverStates<States>, states: States) => Answer,
): Answer {
  if (driver === undefined) return none
  return driver.scope === 'site' ? ask(driver, states) : ask(driver, states[EVERYWHERE] ?? NOT_OBSERVED)
}

// Where it stands.

/** Where a component of this driver exists: at each site, or once for the stack (null). */
export const placesOf = (driver: Driver, { sites }: Stack): readonly (SiteName | null)[] =>
  driver.scope === 'stack' ? [null] : sites.map(({ name }) => name)

/** The platform whose silence is the component's own; null for one that stands outside of the sites' platforms. */
export const standsOn = (driver: Driver, component: Component): string | null => {
  const own = ofSites(driver)
  return own?.platformOf?.(component) ?? own?.standsOn ?? null
}

/** Where it is asked outside of its site's platforms, as URLs. */
export function addressesOf(
  driver: Driver | undefined,
  component: Component,
  site: SiteName | null,
): readonly string[] {
  if (driver === undefined) return []
  if (driver.scope === 'stack') return driver.addresses?.(component) ?? []
  return site === null ? [] : (driver.addresses?.(component, site) ?? [])
}

// What is true of it.

/** Read-only; `site` is null for a component of the whole stack. */
export async function observeComponent(
  driver: Driver,
  component: Component,
  site: SiteName | null,
  context: DriverContext,
): Promise<Observed> {
  if (driver.scope === 'stack') return driver.observe(component, context)
  return site === null ? NOT_OBSERVED : driver.observe(component, site, context)
}

/** For a move, or (null) for `status`. Nothing is said of a component of the whole stack that was not observed. */
export const componentFindings = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] =>
  driver?.scope === 'stack' && states[EVERYWHERE] === undefined
    ? []
    : withStates(driver, states, [], ({ assess }, seen) => {
        const known = intent === null ? null : asDriversKnow(intent)
        const ofMode = known === null ? undefined : assess.moves?.[known.mode]?.(component, seen, known, assessment)
        return ofMode ?? assess.status(component, seen, assessment)
      })

/** How far each passive site is behind the active one. */
export const gapsOf = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  activeSite: SiteName,
  now: string,
): Readonly<Record<string, Gap>> =>
  withStates(driver, states, {}, ({ assess }, seen) => assess.gaps?.(component, seen, activeSite, now) ?? {})

/** What says, from here, whether another site lives. */
export const livenessSignalsOf = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  site: SiteName,
): LivenessSignal[] =>
  withStates(driver, states, [], ({ liveness }, seen) => liveness?.signals(component, seen, site) ?? [])

/** What a failover would lose of it; null: it holds nothing of its own. */
export const componentLoss = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent,
  now: string,
): ComponentLoss | null => ofSites(driver)?.losses?.loss(component, states, asDriversKnow(intent), now) ?? null

/** The other passive sites that hold more of the lost one than `intent.to` does. */
export const followersAhead = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent,
): Finding[] => ofSites(driver)?.losses?.ahead?.(component, states, intent) ?? []

/** What becomes of its data in a switchover or a rejoin; null: it keeps none that is known. */
export const keptDataOf = (driver: Driver | undefined, component: Component, intent: Intent): KeptData | null =>
  driver?.moves?.keeps?.(component, asDriversKnow(intent)) ?? null

/** Where its writes have gone by themselves; null: nowhere, or it is not proven. */
export const takenOverBy = (driver: Driver | undefined, component: Component, states: BySite): TakenOver | null =>
  ofSites(driver)?.movesByItself?.takenOver(component, states) ?? null

// What it does in a move.

/** Its steps of a move of this mode. */
export const moveStepsOf = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent,
  stack: Stack,
): PlannedStep[] =>
  withStates(driver, states, [], ({ moves }, seen) => {
    const known = asDriversKnow(intent)
    return plannedSteps(component, moves?.[known.mode]?.(component, seen, known, stack) ?? [])
  })

/** Its steps that shut the former active site. */
export const fenceStepsOf = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent,
  stack: Stack,
): PlannedStep[] =>
  plannedSteps(component, ofSites(driver)?.fences?.steps(component, states, asDriversKnow(intent), stack) ?? [])

/** What it does in PROTECT of a passive site that is neither end of the move. */
export const followStepsOf = (
  driver: Driver | undefined,
  component: Component,
  follower: SiteName,
  intent: Intent,
  stack: Stack,
): PlannedStep[] =>
  plannedSteps(component, driver?.moves?.follow?.(component, follower, asDriversKnow(intent), stack) ?? [])

/** Whether its steps can shut a component on the former active site. */
export const hasFence = (driver: Driver | undefined): boolean => ofSites(driver)?.fences !== undefined

/** Whether a guard can close it from inside: it stands on a platform of its site, and has a fence. */
export const isGuarded = (driver: Driver | undefined): boolean => {
  const own = ofSites(driver)
  return own !== undefined && own.standsOn !== null && own.fences !== undefined
}

/** The levels that its fence may shut. */
export const levelsOfFence = (driver: Driver | undefined, component: Component, stack: Stack): readonly FenceLevel[] =>
  ofSites(driver)?.fences?.levels(component, stack) ?? []

/** The levels of a fence that it may shut in any way, if all that this needs is there. */
export function levelsOf(driver: Driver | undefined, component: Component, stack: Stack): readonly FenceLevel[] {
  if (driver === undefined) return []
  if (driver.scope === 'stack') return driver.levels ?? []
  return [...levelsOfFence(driver, component, stack), ...(driver.selfFences?.levels(component, stack) ?? [])]
}

/** The units of a component that the guard of one machine closes. Pure. */
export const guardedUnitsOf = (
  driver: Driver | undefined,
  component: Component,
  site: SiteName,
  machine: string,
): readonly GuardedUnit[] => ofSites(driver)?.guardedUnits?.units(component, site, machine) ?? []

/** Which drivers a guard can close, of those on its own platform. `component`: that of the guard. Pure. */
export function closesBySelf(guard: Driver, component: Component): (driver: Driver) => boolean {
  const by = ofSites(guard)?.selfFences?.closesBy?.(component) ?? 'fences'
  return by === 'fences' ? isGuarded : (driver) => ofSites(driver)?.guardedUnits !== undefined
}

export const hasSelfFencing = (driver: Driver | undefined): boolean => ofSites(driver)?.selfFences !== undefined

/** Whether the lost site shuts itself, and the step that waits for it; null: this driver shuts nothing by itself. */
export function componentSelfFencing(
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  intent: Intent,
  stack: Stack,
): SelfFencing | null {
  const answer = ofSites(driver)?.selfFences?.selfFencing(component, states, intent, stack)
  if (answer === undefined) return null
  return answer.within === null ? answer : { within: answer.within, wait: asPlanned(component, answer.wait) }
}

// What it performs.

/** An action by its name; undefined: it has none of this name. */
export const actionOf = (driver: Driver | undefined, name: string): AnyAction<JsonObject> | undefined =>
  driver?.actions.find((action) => action.name === name)

/** What performs an action; undefined: it performs none of this name. */
export const behaviourOf = (driver: Driver | undefined, action: string): EngineBehaviour | undefined =>
  actionOf(driver, action)?.behaviour

/** Which parameters of an action may differ between a plan and its execution. */
export const variesIn = (driver: Driver | undefined, action: string): Readonly<Record<string, Varies>> =>
  (actionOf(driver, action)?.varies ?? {}) as Readonly<Record<string, Varies>>

/** The title that the planner gives a step with its parameters; null: it says none of those that vary. */
export const varyingTitleOf = (driver: Driver | undefined, component: Component, step: PlannedStep): string | null =>
  actionOf(driver, step.action)?.titleOf?.(component, step) ?? null

/** What a person types in place of a step; null where no short manual procedure exists. */
export function byHandOf(
  driver: Driver | undefined,
  component: Component,
  step: PlannedStep,
  surroundings: ManualSurroundings,
): Manual | null {
  const byHand = actionOf(driver, step.action)?.byHand ?? 'none'
  if (byHand === 'none') return null
  return byHand.say(component, { ...step, needs: step.needs.map((id) => ({ id })) }, surroundings)
}

// Deploys, backups and data.

/** The declared state of one place, as units that are compared, applied and waited for. */
export async function deployUnitsOf(
  driver: Driver,
  component: Component,
  place: SiteName | null,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  if (driver.scope === 'stack') return (await driver.deploys?.deploy(component, null, deployment, context)) ?? []
  return place === null ? [] : ((await driver.deploys?.deploy(component, place, deployment, context)) ?? [])
}

/** The steps that take a backup now, with its manifest. */
export const backupStepsOf = (
  driver: Driver | undefined,
  component: Component,
  states: BySite,
  site: SiteName,
  stack: Stack,
): PlannedStep[] => plannedSteps(component, ofSites(driver)?.backups?.backup?.(component, states, site, stack) ?? [])

/** Where a restore test restores this component. */
export function restoresIn(driver: Driver | undefined, component: Component): RestoresIn {
  const backups = ofSites(driver)?.backups
  if (driver === undefined || backups === undefined) return 'nowhere'
  const platform = standsOn(driver, component)
  return backups.restoresIn?.(component) ?? (platform === null ? 'any-sandbox' : { platform })
}

/** The restored copies that the restore test of this component reaches itself. */
export const copiesReadBy = (driver: Driver | undefined, component: Component): readonly CopyRead[] =>
  ofSites(driver)?.backups?.readsCopies?.(component) ?? []

/** Restores the newest backup of `source` into the sandbox and judges it; null: its backups are not tested. */
export async function restoreTestOf(
  driver: Driver | undefined,
  component: Component,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport | null> {
  return (await ofSites(driver)?.backups?.restoreTest(component, source, sandbox, context)) ?? null
}

/** Read-only SQL on a component; null: it is no database. */
export const sqlOf = (
  driver: Driver | undefined,
  component: Component,
  at: SiteName | Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> | null => ofSites(driver)?.database?.sql(component, at, query, context) ?? null

/** Where a component keeps its objects for a site; null: it is no object store. */
export const objectStoreOf = (
  driver: Driver | undefined,
  component: Component,
  site: SiteName,
): ObjectStoreLocation | null => ofSites(driver)?.store?.objectStore(component, site) ?? null

const plannedSteps = (component: Component, steps: readonly DriverStep[]): PlannedStep[] =>
  steps.map((step) => asPlanned(component, step))

/** What only the core sets is added here: id and component. */
function asPlanned(component: Component, { needs, about, ...step }: DriverStep): PlannedStep {
  const id = idOfStep(component, { ...step, about })
  return { id, component: component.name, ...step, needs: needs.map((reference) => reference.id) }
}
