import type { World } from '../composition/connect.ts'
import { componentOf, type SiteName, type Stack } from '../domain/stack.ts'
import type { Change, Deployment } from '../driver/deployment.ts'
import { asStandbyError, failureOf, inputError, StandbyError, siteError } from '../errors/standby-error.ts'
import type { DeployedUnit, DeployReport } from '../evidence/reports.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'
import { lockFindings } from '../planning/lock-findings.ts'
import { type PlacedUnit, unitNeeds } from '../planning/order-units.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'
import { deadlineAfter } from '../waiting/deadline.ts'
import { type Trying, tryUntil } from '../waiting/try-until.ts'
import { waitUntilDone } from '../waiting/wait-until.ts'
import { createActive } from '../witness/active.ts'
import { assertStillOurs, LOCK_RENEWAL, releaseLock, renewLock, takeLock } from '../witness/lock.ts'
import { patientStore } from '../witness/patient-store.ts'
import { witnessTime } from '../witness/time.ts'
import { namedActiveSite } from './active-site.ts'
import { observeDeclared } from './observe-declared.ts'
import { newRun } from './run-id.ts'
import { refuseWrongClock } from './wrong-clock.ts'

export interface DeployRequest {
  readonly dryRun: boolean
  /** Only these components; all when empty. */
  readonly only: readonly string[]
  /** Takes over what other hands made under the declared names. */
  readonly adopt?: boolean
}

/** Brings every site to its declared state in its role, passive sites first, and touches only what differs. */
export async function deploy(world: World, request: DeployRequest): Promise<DeployReport> {
  const begun = world.clock.now().getTime()
  refuseUnknownComponents(world.stack, request.only)
  const observation = await observeDeclared(world)
  const named = namedActiveSite(world.stack, observation)
  const activeSite = named ?? world.stack.initialActive
  refuseWrongClock(observation)
  refuseSilentSites(world, observation)
  refuseUnfinishedMove(observation)
  refuseEmptiedWitness(world, observation)
  const placed = await tryUntil(
    () => unitsOf(world, observation, activeSite, request),
    tries(world, 'deploy', COMPARING),
  )
  const changes = new Map(
    await Promise.all(
      placed.map(async ({ unit }) => {
        const differs = await tryUntil(() => unit.diff(world.signal), tries(world, unit.id, COMPARING))
        return [unit.id, differs] as const
      }),
    ),
  )
  const differing = [...changes.values()].some((list) => list.length > 0)
  const firstDeploy = named === null

  let units: DeployedUnit[]
  let failure: StandbyError | null = refusedChanges(changes)
  if (failure !== null || request.dryRun || (!differing && !firstDeploy)) {
    units = placed.map(({ unit }) =>
      deployedUnit(
        unit,
        changes.get(unit.id) ?? [],
        (changes.get(unit.id) ?? []).length > 0 ? 'would-change' : 'unchanged',
      ),
    )
  } else {
    const run = `deploy-${newRun(world.clock.now())}`
    const outcome = await withLock(world, observation, activeSite, run, firstDeploy, (stillOurs) =>
      applyUnits(world, placed, changes, activeSite, stillOurs),
    )
    units = outcome.units
    failure = outcome.failure
  }
  const changed = units.some((unit) => unit.outcome === 'applied')
  return {
    schemaVersion: 1,
    stack: world.stack.name,
    dryRun: request.dryRun,
    verdict:
      failure !== null ? 'failed' : request.dryRun && differing ? 'would-change' : changed ? 'changed' : 'unchanged',
    units,
    findings: world.findings(failure === null && changed ? await world.observe() : observation, null),
    duration: world.clock.now().getTime() - begun,
    failure: failure === null ? null : failureOf(failure),
  }
}

/** How long a question may be tried before anything is changed: nobody waits for a comparison. */
const COMPARING: Milliseconds = minutes(1)

/** What is transient is tried until then. */
function tries({ clock, log, signal }: World, what: string, after: Milliseconds, where?: SiteName | null): Trying {
  const waiting = (why: string): void => log.info(`${what}: waiting for ${why}`)
  return { what, where: where ?? undefined, clock, signal, deadline: deadlineAfter(after), waiting }
}

/** What can not be done is known before anything is: half of a deploy helps nobody. */
function refusedChanges(changes: ReadonlyMap<string, readonly Change[]>): StandbyError | null {
  const refused = [...changes].flatMap(([unit, list]) =>
    list.flatMap(({ kind, object, path, why }) => (kind === 'refused' ? [{ unit, object, path, why }] : [])),
  )
  const [first] = refused
  if (first === undefined) return null
  const what = [
    ...new Set(refused.map(({ object, path, why }) => `${object}${path === undefined ? '' : ` ${path}`}: ${why}`)),
  ]
  return siteError('change-refused', what.join('; '), {
    where: first.unit,
    next: 'Nothing was changed. Declare what is possible, or change what refuses it; standby deploy --dry-run asks again.',
  })
}

/** A deploy needs to see all that it may touch. */
function refuseSilentSites(world: World, observation: Observation): void {
  for (const site of world.stack.sites) {
    for (const { platform, view } of platformViewsOf(site, observation)) {
      if (view.kind !== 'silent') continue
      const { code, next } = platform.silence(view.cause, site.name)
      throw new StandbyError({
        code,
        mustAct: 'site',
        what: `${site.name} cannot be looked at: ${view.why}`,
        where: site.name,
        next: `Nothing was changed. ${next}`,
        unseen: view.cause,
      })
    }
  }
}

/** A move that stopped half way has closed the traffic on purpose: a deploy would open it to the wrong site. */
function refuseUnfinishedMove(observation: Observation): void {
  const lock = observation.witness.kind === 'answering' ? observation.witness.lock : null
  const [unfinished] = lockFindings(lock, null, new Date(observation.at))
  if (unfinished === undefined) return
  throw new StandbyError({
    code: unfinished.code,
    mustAct: 'site',
    what: unfinished.what,
    where: 'witness lock.json',
    next: `${unfinished.next}. Nothing was changed.`,
  })
}

/** Throws `unknown-component`: what needs no site, and no credential. */
export function refuseUnknownComponents(stack: Stack, only: readonly string[]): void {
  const unknown = only.filter((name) => !stack.components.some((component) => component.name === name))
  if (unknown.length === 0) return
  throw inputError('unknown-component', `${stack.name} has no component ${unknown.join(', ')}`, {
    next: `Name some of ${stack.components.map((component) => component.name).join(', ')}.`,
  })
}

/** Which site is active, and in which epoch, is not to be made up once there is something that a deploy has made. */
function refuseEmptiedWitness(world: World, observation: Observation): void {
  const emptied = world.findings(observation, null).find(({ code }) => code === 'witness-emptied')
  if (emptied === undefined) return
  throw siteError(emptied.code, emptied.what, {
    where: 'witness active.json',
    next: `Nothing was changed. ${emptied.next ?? ''}`,
  })
}

async function unitsOf(
  world: World,
  observation: Observation,
  activeSite: SiteName,
  { only, adopt = false }: DeployRequest,
): Promise<PlacedUnit[]> {
  const epoch = observation.witness.kind === 'answering' ? (observation.witness.active?.epoch ?? null) : null
  const chosen = world.stack.components.filter((component) => only.length === 0 || only.includes(component.name))
  const perComponent = await Promise.all(
    chosen.map(async (component) => {
      const driver = world.drivers[component.driver]
      const deployment: Deployment = {
        activeSite,
        roleOf: (site) => (site === activeSite ? 'active' : 'passive'),
        observed: observation.components[component.name] ?? {},
        epoch,
        adopt,
      }
      const places = driver?.scope === 'stack' ? [null] : world.stack.sites.map((site) => site.name)
      const units = await Promise.all(
        places.map((site) => driver?.deploy?.(component, site, deployment, world.context) ?? []),
      )
      return units.flat().map((unit) => ({ component: component.name, unit }))
    }),
  )
  return perComponent.flat()
}

/**
 * Deploys and moves exclude each other; the first deploy names the first active site. The work can ask whether that
 * still holds: a deploy that slept over the end of its lock, or looked before a move and took the lock behind it, would
 * bring about the roles of before (`lock-lost`).
 */
async function withLock<T>(
  world: World,
  observation: Observation,
  activeSite: SiteName,
  run: string,
  firstDeploy: boolean,
  work: (stillOurs: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const store = patientStore(world.store, world)
  const now = await witnessTime(store, world.clock)
  const renew = async (): Promise<unknown> => renewLock(store, run, await witnessTime(store, world.clock))
  const epoch = observation.witness.kind === 'answering' ? (observation.witness.active?.epoch ?? 1) : 1
  await takeLock(store, { stack: world.stack.name, holder: run, purpose: 'deploy', epoch, now })
  const renewing = setInterval(() => {
    renew().catch((error: unknown) => world.log.warning(asStandbyError(error).message))
  }, LOCK_RENEWAL)
  try {
    if (firstDeploy)
      await createActive(store, {
        schemaVersion: 1,
        stack: world.stack.name,
        epoch: 1,
        activeSite,
        since: now.toISOString(),
        run,
      })
    return await work(async () => assertStillOurs(store, run, epoch, await witnessTime(store, world.clock)))
  } finally {
    clearInterval(renewing)
    await releaseLock(store, run)
  }
}

/** Each unit as soon as what it needs is ready; after the first failure nothing new begins. */
async function applyUnits(
  world: World,
  placed: readonly PlacedUnit[],
  first: ReadonlyMap<string, readonly Change[]>,
  activeSite: SiteName,
  stillOurs: () => Promise<void>,
): Promise<{ units: DeployedUnit[]; failure: StandbyError | null }> {
  const needs = unitNeeds(placed, (component) => componentOf(world.stack, component).needs, activeSite)
  const done = new Set<string>()
  const running = new Map<string, Promise<void>>()
  const results = new Map(
    placed.map(({ unit }) => [unit.id, deployedUnit(unit, first.get(unit.id) ?? [], 'not-reached')]),
  )
  let failure: StandbyError | null = null

  const bring = async ({ unit }: PlacedUnit): Promise<void> => {
    const begun = world.clock.now().getTime()
    let changes: readonly Change[] = []
    try {
      // Compared again: what an earlier unit changed may be all that was missing here.
      changes = await tryUntil(() => unit.diff(world.signal), tries(world, unit.id, unit.deadline, unit.site))
      if (changes.length > 0) {
        world.log.info(`${unit.id}: ${unit.title}`)
        const bringAbout = async (): Promise<void> => {
          await stillOurs()
          await unit.apply(world.signal)
        }
        await tryUntil(bringAbout, tries(world, unit.id, unit.deadline, unit.site))
      }
      if (changes.length > 0 || (first.get(unit.id) ?? []).length > 0)
        await waitUntilDone(() => unit.ready(world.signal), tries(world, unit.id, unit.deadline, unit.site))
      const outcome = changes.length > 0 ? 'applied' : 'unchanged'
      results.set(unit.id, { ...deployedUnit(unit, changes, outcome), duration: world.clock.now().getTime() - begun })
      done.add(unit.id)
    } catch (error) {
      failure ??= asStandbyError(error)
      world.log.warning(`${unit.id}: ${asStandbyError(error).message}`)
      results.set(unit.id, { ...deployedUnit(unit, changes, 'failed'), duration: world.clock.now().getTime() - begun })
    }
  }

  for (;;) {
    if (failure === null)
      for (const item of placed) {
        const id = item.unit.id
        if (done.has(id) || running.has(id) || ![...(needs.get(id) ?? [])].every((need) => done.has(need))) continue
        running.set(
          id,
          bring(item).finally(() => running.delete(id)),
        )
      }
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  return { units: [...results.values()], failure }
}

function deployedUnit(
  unit: PlacedUnit['unit'],
  changes: readonly Change[],
  outcome: DeployedUnit['outcome'],
): DeployedUnit {
  return { id: unit.id, title: unit.title, site: unit.site, outcome, changes, duration: 0 }
}
