import { type BySite, EVERYWHERE, type Observed } from '../../src/domain/observed.ts'
import type { Finding, PlannedStep } from '../../src/domain/plan.ts'
import type { AnyAction } from '../../src/driver/action.ts'
import {
  actionOf as actionNamed,
  addressesOf,
  backupStepsOf,
  componentFindings,
  componentLoss,
  componentSelfFencing,
  fenceStepsOf,
  followersAhead,
  gapsOf,
  keptDataOf,
  levelsOf,
  livenessSignalsOf,
  moveStepsOf,
  placesOf,
} from '../../src/driver/ask.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import type { JsonObject } from '../../src/values/json.ts'
import type { Fixture, Situation } from './fixture.ts'

const AT = '2026-11-21T06:00:00.000Z'
export const SILENT: Observed = { kind: 'silent', why: 'no answer within 3.0 s' }

/** Every step that the driver plans in a situation, apart by what the core does with it. */
export interface PlannedParts {
  readonly main: readonly PlannedStep[]
  /** On the lost site, where it still answers. */
  readonly fences: readonly PlannedStep[]
  /** The wait until the lost site has shut itself. */
  readonly waits: readonly PlannedStep[]
  /** Outside of moves: the steps of a backup on the active site. */
  readonly backup: readonly PlannedStep[]
}
export const allOf = ({ main, fences, waits, backup }: PlannedParts): PlannedStep[] => [
  ...main,
  ...fences,
  ...waits,
  ...backup,
]

export function plannedIn(
  driver: Driver,
  { stack, component }: Fixture,
  { intent, states, activeSite }: Situation,
): PlannedParts {
  const isFailover = intent.mode === 'failover'
  const fencing = isFailover ? componentSelfFencing(driver, component, states, intent, stack) : null
  return {
    main: moveStepsOf(driver, component, states, intent, stack),
    fences: isFailover ? fenceStepsOf(driver, component, states, intent, stack) : [],
    waits: fencing === null || fencing.within === null ? [] : [fencing.wait],
    backup: backupStepsOf(driver, component, states, activeSite, stack),
  }
}

export function findingsIn(
  driver: Driver,
  { stack, component }: Fixture,
  { intent, states, activeSite }: Situation,
): { readonly status: readonly Finding[]; readonly move: readonly Finding[]; readonly ahead: readonly Finding[] } {
  const around = { now: AT, objectives: stack.objectives, activeSite, stack }
  return {
    status: componentFindings(driver, component, states, null, around),
    move: componentFindings(driver, component, states, intent, around),
    ahead: followersAhead(driver, component, states, intent),
  }
}

/** Everything that the driver decides without I/O, called once. */
export function decisionsIn(driver: Driver, fixture: Fixture, situation: Situation): unknown {
  const { stack, component } = fixture
  const { intent, states, activeSite } = situation
  return {
    claims: driver.claims(component, stack),
    files: driver.files?.(component),
    credentials: driver.credentials?.(component, stack),
    levels: levelsOf(driver, component, stack),
    access: driver.access(component, stack),
    addresses: placesOf(driver, stack).map((place) => addressesOf(driver, component, place)),
    findings: findingsIn(driver, fixture, situation),
    planned: plannedIn(driver, fixture, situation),
    gaps: gapsOf(driver, component, states, activeSite, AT),
    signals: stack.sites.map(({ name }) => livenessSignalsOf(driver, component, states, name)),
    loss: componentLoss(driver, component, states, intent, AT),
    keeps: keptDataOf(driver, component, intent),
  }
}

/** The same situation, in which the component answers nowhere. */
export const silenced = (driver: Driver, { stack }: Fixture, situation: Situation): Situation => {
  const states: BySite = Object.fromEntries(placesOf(driver, stack).map((place) => [place ?? EVERYWHERE, SILENT]))
  return { ...situation, name: `${situation.name}, and the component is silent`, states }
}

export function actionOf(driver: Driver, { action }: Pick<PlannedStep, 'action'>): AnyAction<JsonObject> {
  const found = actionNamed(driver, action)
  if (found === undefined) throw new Error(`the driver ${driver.kind} has no action ${action}`)
  return found
}
