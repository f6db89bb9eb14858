import { type BySite, EVERYWHERE, type Observed } from '../../src/domain/observed.ts'
import type { Finding, PlannedStep } from '../../src/domain/plan.ts'
import type { AnyAction } from '../../src/driver/action.ts'
import type { Driver } from '../../src/driver/flat/driver.ts'
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
  const { mode } = intent
  const plan = { switchover: driver.move, failover: driver.move, rejoin: driver.rejoin, reopen: driver.reopen }[mode]
  const isFailover = mode === 'failover'
  const fencing = isFailover ? driver.selfFencing?.(component, states, intent, stack) : undefined
  return {
    main: plan?.call(driver, component, states, intent, stack) ?? [],
    fences: isFailover ? (driver.fence?.(component, states, intent, stack) ?? []) : [],
    waits: fencing === undefined || fencing.within === null ? [] : [fencing.wait],
    backup: driver.backup?.(component, states, activeSite, stack) ?? [],
  }
}

export function findingsIn(
  driver: Driver,
  { stack, component }: Fixture,
  { intent, states, activeSite }: Situation,
): { readonly status: readonly Finding[]; readonly move: readonly Finding[]; readonly ahead: readonly Finding[] } {
  const around = { now: AT, objectives: stack.objectives, activeSite, stack }
  return {
    status: driver.assess(component, states, null, around),
    move: driver.assess(component, states, intent, around),
    ahead: driver.ahead?.(component, states, intent) ?? [],
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
    levels: driver.reaches?.(component, stack),
    access: driver.access(component, stack),
    addresses: stack.sites.map(({ name }) => driver.addresses?.(component, driver.scope === 'site' ? name : null)),
    findings: findingsIn(driver, fixture, situation),
    planned: plannedIn(driver, fixture, situation),
    gaps: driver.gaps?.(component, states, activeSite, AT),
    signals: stack.sites.map(({ name }) => driver.sees?.(component, states, name)),
    loss: driver.loss?.(component, states, intent, AT),
    keeps: driver.keeps?.(component, intent),
  }
}

/** The same situation, in which the component answers nowhere. */
export const silenced = (driver: Driver, { stack }: Fixture, situation: Situation): Situation => {
  const places = driver.scope === 'site' ? stack.sites.map(({ name }): string => name) : [EVERYWHERE]
  const states: BySite = Object.fromEntries(places.map((place) => [place, SILENT]))
  return { ...situation, name: `${situation.name}, and the component is silent`, states }
}

export const actionsOf = (driver: Driver): readonly AnyAction<JsonObject>[] => driver.actions ?? []

export function actionOf(driver: Driver, { action }: Pick<PlannedStep, 'action'>): AnyAction<JsonObject> {
  const found = actionsOf(driver).find(({ name }) => name === action)
  if (found === undefined) throw new Error(`the driver ${driver.kind} has no action ${action}`)
  return found
}
