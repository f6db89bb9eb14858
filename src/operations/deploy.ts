import type { World } from '../composition/connect.ts'
import type { PlannedStep } from '../domain/plan.ts'
import { componentOf, type SiteName } from '../domain/stack.ts'
import { deployUnitsOf, placesOf } from '../driver/ask.ts'
import type { Change, Deployment } from '../driver/deployment.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import { failureOf, type StandbyError } from '../errors/standby-error.ts'
import type { DeployedUnit, DeployReport } from '../evidence/reports.ts'
import { runSingle } from '../execution/single-run.ts'
import type { StepReport } from '../execution/step-report.ts'
import type { Observation } from '../observation/observation.ts'
import { type PlacedUnit, unitNeeds } from '../planning/order-units.ts'
import { sha256Of } from '../planning/plan-digest.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'
import type { Json } from '../values/json.ts'
import { deadlineAfter } from '../waiting/deadline.ts'
import { type Trying, tryUntil } from '../waiting/try-until.ts'
import { deployJournalFolder } from '../witness/keys.ts'
import { assertStillOurs } from '../witness/lock.ts'
import { patientStore } from '../witness/patient-store.ts'
import { witnessTime } from '../witness/time.ts'
import { namedActiveSite } from './active-site.ts'
import {
  BEGIN_STEP,
  beginBehaviour,
  deploySteps,
  progressOfUnits,
  type UnitAtWork,
  unitAtWork,
} from './deploy-steps.ts'
import { observeDeclared } from './observe-declared.ts'
import { refuseDeploy, refusedChanges, refuseUnknownComponents } from './refuse-deploy.ts'
import { newRun } from './run-id.ts'

export interface DeployRequest {
  readonly dryRun: boolean
  /** Only these components; all when empty. */
  readonly only: readonly string[]
  /** Takes over objects that others made under the declared names. */
  readonly adopt?: boolean
}

/**
 * Brings every site to its declared state in its role, passive sites first, and changes only differences. Compares
 * everything first: a refused change ends the deploy before it takes the lock.
 */
export async function deploy(world: World, request: DeployRequest): Promise<DeployReport> {
  const begun = world.clock.now().getTime()
  refuseUnknownComponents(world.stack, request.only)
  const observation = await observeDeclared(world)
  const named = namedActiveSite(world.stack, observation)
  const activeSite = named ?? world.stack.initialActive
  refuseDeploy(world, observation)
  const placed = await tryUntil(() => unitsOf(world, observation, activeSite, request), comparing(world, 'deploy'))
  const first = await compared(world, placed)
  const differing = [...first.values()].some((changes) => changes.length > 0)
  const refused = refusedChanges(first)
  const isCompared = refused !== null || request.dryRun || (!differing && named !== null)
  const { units, failure } = isCompared
    ? { units: placed.map(({ unit }) => comparedUnit(unit, first)), failure: refused }
    : await applied(world, { placed, first, activeSite, isFirst: named === null, epoch: epochOf(observation) ?? 1 })
  const changed = units.some((unit) => unit.outcome === 'applied')
  return {
    schemaVersion: 1,
    stack: world.stack.name,
    dryRun: request.dryRun,
    verdict: verdictOf({ failed: failure !== null, wouldChange: request.dryRun && differing, changed }),
    units,
    findings: world.findings(failure === null && changed ? await world.observe() : observation, null),
    duration: world.clock.now().getTime() - begun,
    failure: failure === null ? null : failureOf(failure),
  }
}

function verdictOf(what: { failed: boolean; wouldChange: boolean; changed: boolean }): DeployReport['verdict'] {
  if (what.failed) return 'failed'
  if (what.wouldChange) return 'would-change'
  return what.changed ? 'changed' : 'unchanged'
}

/** The epoch of the witness; null before the first deploy. */
const epochOf = ({ witness }: Observation): number | null =>
  witness.kind === 'answering' ? (witness.active?.epoch ?? null) : null

/** How long a comparison is repeated on transient errors, before anything is changed. */
const COMPARING: Milliseconds = minutes(1)

const comparing = ({ clock, log, signal }: World, what: string): Trying => ({
  what,
  clock,
  signal,
  deadline: deadlineAfter(COMPARING),
  waiting: (why) => log.info(`${what}: waiting for ${why}`),
})

/** By id of the unit. */
type ChangesOfUnits = ReadonlyMap<string, readonly Change[]>

async function compared(world: World, placed: readonly PlacedUnit[]): Promise<ChangesOfUnits> {
  const compare = async ({ unit }: PlacedUnit): Promise<[string, readonly Change[]]> => [
    unit.id,
    await tryUntil(() => unit.diff(world.signal), comparing(world, unit.id)),
  ]
  return new Map(await Promise.all(placed.map(compare)))
}

async function unitsOf(
  world: World,
  observation: Observation,
  activeSite: SiteName,
  { only, adopt = false }: DeployRequest,
): Promise<PlacedUnit[]> {
  const chosen = world.stack.components.filter((component) => only.length === 0 || only.includes(component.name))
  const perComponent = await Promise.all(
    chosen.map(async (component) => {
      const driver = world.drivers[component.driver]
      const deployment: Deployment = {
        activeSite,
        roleOf: (site) => (site === activeSite ? 'active' : 'passive'),
        observed: observation.components[component.name] ?? {},
        epoch: epochOf(observation),
        adopt,
      }
      if (driver === undefined) return []
      const units = await Promise.all(
        placesOf(driver, world.stack).map((place) =>
          deployUnitsOf(driver, component, place, deployment, world.context),
        ),
      )
      return units.flat().map((unit) => ({ component: component.name, unit }))
    }),
  )
  return perComponent.flat()
}

/** The units to apply, and where. */
interface Applying {
  readonly placed: readonly PlacedUnit[]
  /** The changes that the deploy was begun for. */
  readonly first: ChangesOfUnits
  readonly activeSite: SiteName
  /** Whether the witness names no active site yet. */
  readonly isFirst: boolean
  readonly epoch: number
}

/**
 * Applies each unit as soon as its needs are ready, under the lock: deploys and moves exclude each other. The lock is
 * checked again before each effect: a deploy that slept beyond the end of its lock, or that observed before a move and
 * took the lock after it, would restore earlier roles (`lock-lost`).
 */
async function applied(
  world: World,
  { placed, first, activeSite, isFirst, epoch }: Applying,
): Promise<{ readonly units: DeployedUnit[]; readonly failure: StandbyError | null }> {
  const run = `deploy-${newRun(world.clock.now())}`
  const store = patientStore(world.store, world)
  const stillOurs = async (): Promise<void> => assertStillOurs(store, run, epoch, await witnessTime(store, world.clock))
  const units = new Map(
    placed.map(({ unit }) => {
      const differed = (first.get(unit.id) ?? []).length > 0
      return [unit.id, unitAtWork(unit, { differed, log: world.log, stillOurs })] as const
    }),
  )
  const begin = beginBehaviour(store, { stack: world.stack.name, run, activeSite, clock: world.clock, log: world.log })
  const needs = unitNeeds(placed, (component) => componentOf(world.stack, component).needs, activeSite)
  const outcome = await runSingle({
    run,
    steps: deploySteps(placed, needs, isFirst ? activeSite : null),
    behaviourOf: (step) => (step.id === BEGIN_STEP ? begin : behaviourIn(units, step)),
    stopsOthers: false,
    purpose: 'deploy',
    epoch,
    journal: {
      folder: deployJournalFolder(run),
      digest: sha256Of([...first].map(([unit, changes]) => ({ unit, changes })) as unknown as Json),
      refused:
        'the journal of this deploy cannot be written to the witness, and the deploy goes on without it; where the witness denies it, give the deployer its rights again (standby rbac --policy deployer)',
    },
    store,
    witness: world.store,
    drivers: world.drivers,
    context: world.context,
    clock: world.clock,
    progress: progressOfUnits(world.log, world.clock, world.listener),
    signal: world.signal,
  })
  const reports = new Map(outcome.reports.map((report) => [report.id, report]))
  return {
    units: placed.map(({ unit }) => deployedUnit(unit, first, units.get(unit.id), reports.get(unit.id))),
    failure: outcome.failure,
  }
}

function behaviourIn(units: ReadonlyMap<string, UnitAtWork>, { id }: PlannedStep): EngineBehaviour {
  const unit = units.get(id)
  if (unit === undefined) throw new Error(`no driver has the unit ${id}`)
  return unit.behaviour
}

function comparedUnit(unit: PlacedUnit['unit'], first: ChangesOfUnits): DeployedUnit {
  const changes = first.get(unit.id) ?? []
  return { ...described(unit), outcome: changes.length > 0 ? 'would-change' : 'unchanged', changes, duration: 0 }
}

function deployedUnit(
  unit: PlacedUnit['unit'],
  first: ChangesOfUnits,
  work: UnitAtWork | undefined,
  report: StepReport | undefined,
): DeployedUnit {
  const outcome = outcomeOf(work, report)
  const changes = outcome === 'not-reached' ? (first.get(unit.id) ?? []) : (work?.changes() ?? [])
  const { begunAt = null, endedAt = null } = report ?? {}
  const duration = begunAt === null || endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(begunAt)
  return { ...described(unit), outcome, changes, duration }
}

function outcomeOf(work: UnitAtWork | undefined, report: StepReport | undefined): DeployedUnit['outcome'] {
  const changes = work?.changes() ?? []
  switch (report?.outcome) {
    case 'done':
    case 'was-done':
      return changes.length > 0 ? 'applied' : 'unchanged'
    case 'failed':
      return 'failed'
    default:
      // A cancelled deploy does not see the end of the effects that it began.
      return work?.begun() === true ? 'failed' : 'not-reached'
  }
}

const described = ({ id, title, site }: PlacedUnit['unit']): Pick<DeployedUnit, 'id' | 'title' | 'site'> => ({
  id,
  title,
  site,
})
