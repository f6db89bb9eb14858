import { randomBytes } from 'node:crypto'
import type { World } from '../composition/connect.ts'
import type { Identity } from '../domain/identities.ts'
import type { Check, Sandbox } from '../domain/restore-test.ts'
import { type Component, type ComponentName, type SiteName, type Stack, siteOf } from '../domain/stack.ts'
import { restoresIn, restoreTestOf } from '../driver/ask.ts'
import type { DriverContext } from '../driver/context.ts'
import type { RestoreTestReport } from '../driver/restore-test.ts'
import { asStandbyError, failureOf, inputError, type StandbyError } from '../errors/standby-error.ts'
import type { RestoreTestOutcome } from '../evidence/reports.ts'
import type { Platform } from '../platform/platform.ts'
import { platforms, platformsOf } from '../platform/registry.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'
import type { Json, JsonObject } from '../values/json.ts'
import { stampOf } from '../values/stamp.ts'
import { verdictOf } from '../verification/judge-restore.ts'
import { patientStore } from '../witness/patient-store.ts'
import { recordsIn } from '../witness/records-in-store.ts'
import { activeSiteOf } from './active-site.ts'
import { freshBackup } from './back-up.ts'
import { observeDeclared } from './observe-declared.ts'

export interface RestoreTestRequest {
  /** Take a new backup with its manifest first. */
  readonly fresh?: boolean
  /** Where the sandbox is; a passive site when not named. */
  readonly site?: string
}

/**
 * The identity whose credentials a restore test needs. A backup needs the mover: it works in the pods of the active
 * database, and records what a restore must contain.
 */
export const restoreTesting = ({ fresh }: Pick<RestoreTestRequest, 'fresh'>): Identity =>
  fresh === true ? 'mover' : 'restore-tester'

/**
 * Restores the newest backups of the active site into a sandbox of a passive one and judges the data. The sandbox is
 * always emptied.
 */
export async function verifyBackup(world: World, request: RestoreTestRequest): Promise<RestoreTestOutcome> {
  const { source, target } = await sitesOf(world, request)
  if (request.fresh === true) await freshBackup(world)
  const begun = world.clock.now()
  const id = `${stampOf(begun.toISOString())}-${randomBytes(2).toString('hex')}`
  const patient = withPatience(world)
  const testing = sandboxesOf(world, target)
  const around = { clock: world.clock, log: world.log, deadline: minutes(3), test: id }

  const placeOf = ({ sandbox }: Platform): string => sandbox.nameFor(world.stack.name)
  const empty = (platform: Platform, signal: AbortSignal): Promise<number> =>
    platform.sandbox.empty(target, placeOf(platform), patient.context, { ...around, signal })
  for (const platform of testing.platforms) {
    const leftovers = await empty(platform, world.signal)
    if (leftovers > 0)
      world.log.warning(`${leftovers} objects of an earlier restore test were removed from ${placeOf(platform)}`)
  }
  const tested = await restoreAll(patient, source, target, testing, id)
  let failure = tested.failure
  let removed = 0
  for (const platform of testing.platforms)
    try {
      // A cancelled test cleans up too: with its own deadline, not with the signal that ended it.
      await empty(platform, AbortSignal.timeout(around.deadline))
      removed++
    } catch (error) {
      failure ??= asStandbyError(error)
    }
  const checks = [...tested.reports.values()].flatMap((report) => report.checks)
  const judged = verdictOf(checks)
  const outcome: RestoreTestOutcome = {
    schemaVersion: 1,
    stack: world.stack.name,
    id,
    source,
    sandbox: {
      site: target,
      namespace: [...new Set(testing.platforms.map(placeOf))].join(', '),
      removed: removed === testing.platforms.length,
    },
    // A test that failed proves no good backup; a check that found bad data still counts.
    verdict: failure === null || judged === 'not-restorable' ? judged : 'inconclusive',
    checks,
    components: [...tested.reports].map(([component, report]) => ({
      component,
      backup: report.backup,
      restoreDuration: report.restoreDuration,
    })),
    provenRpo: oldest(begun, tested.reports),
    provenRto: failure === null ? tested.endedAt - begun.getTime() : null,
    failure: failure === null ? null : failureOf(failure),
    duration: world.clock.now().getTime() - begun.getTime(),
  }
  await keepRecord(patient, outcome, begun)
  return outcome
}

/** Throws `unknown-site`. Needs no site and no credential. */
export function refuseUnknownSite(stack: Stack, { site }: Pick<RestoreTestRequest, 'site'>): void {
  if (site === undefined || stack.sites.some(({ name }) => name === site)) return
  throw inputError('unknown-site', `${stack.name} has no site ${site}`, {
    next: `Name one of ${stack.sites.map(({ name }) => name).join(', ')}.`,
  })
}

/** The patience of a nightly test: outlasts a restart of a platform, an absent admission check and a busy witness. */
function withPatience(world: World): World {
  const { clock, log, signal, context } = world
  const store = patientStore(world.store, { clock, log, signal })
  const patiently = Object.values(platforms).reduce(
    (patient, { sandbox }) => sandbox.patient(patient, { clock, log, signal, patience: PATIENCE }),
    context,
  )
  return { ...world, store, context: { ...patiently, records: recordsIn(store, log) } }
}
const PATIENCE: Milliseconds = minutes(2)

async function sitesOf(world: World, request: RestoreTestRequest): Promise<{ source: SiteName; target: SiteName }> {
  refuseUnknownSite(world.stack, request)
  const observation = await observeDeclared(world)
  const source = activeSiteOf(world.stack, observation)
  const passive = world.stack.sites.filter(
    (site) => site.name !== source && observation.sites[site.name]?.kind === 'answering',
  )
  const next = `Name one of ${passive.map((site) => site.name).join(', ') || '(no passive site answers)'}.`
  const named = world.stack.sites.find((site) => site.name === request.site)
  if (named?.name === source)
    throw inputError(
      'sandbox-on-active-site',
      `${source} is the active site: a restore test would take resources from the application`,
      { next },
    )
  const target = named ?? passive[0]
  if (target === undefined)
    throw inputError('no-site-for-sandbox', 'no passive site can carry the sandbox', {
      next: 'Bring one up: none answers.',
    })
  return { source, target: target.name }
}

/** The components that can be tested, and the platforms with their sandboxes. */
interface Testing {
  readonly components: readonly { readonly component: Component; readonly platform: Platform }[]
  /** Each platform once; at least one, whose sandbox is emptied even where nothing can be tested. */
  readonly platforms: readonly Platform[]
}

/**
 * A component is tested in the sandbox that its driver names, such as that of its platform; a component outside of all
 * platforms in the first sandbox of the site. Throws `platform-missing`.
 */
function sandboxesOf({ stack, drivers }: Pick<World, 'stack' | 'drivers'>, target: SiteName): Testing {
  const [first, ...others] = platformsOf(siteOf(stack, target))
  if (first === undefined) throw inputError('platform-missing', `${target} declares no platform`)
  const components = stack.components.flatMap((component) => {
    const place = restoresIn(drivers[component.driver], component)
    if (place === 'nowhere') return []
    const platform = place === 'any-sandbox' ? first : [first, ...others].find(({ name }) => name === place.platform)
    if (platform === undefined)
      throw inputError('platform-missing', `${target} has no sandbox in which ${component.name} can be restored`, {
        where: `sites.${target}`,
        next: `Declare a platform for ${target} with a sandbox for it, or name another site: --site.`,
      })
    return [{ component, platform }]
  })
  const used = new Set(components.map(({ platform }) => platform))
  return { components, platforms: used.size === 0 ? [first] : [...used] }
}

interface Tested {
  readonly reports: ReadonlyMap<ComponentName, RestoreTestReport>
  readonly failure: StandbyError | null
  readonly endedAt: number
}

/** Restores each component as soon as those that it needs are restored; a component without them is not judged. */
async function restoreAll(
  world: World,
  source: SiteName,
  target: SiteName,
  { components }: Testing,
  id: string,
): Promise<Tested> {
  const reports = new Map<ComponentName, RestoreTestReport>()
  let failure: StandbyError | null = null
  const sandboxOn = ({ sandbox: { nameFor, labels } }: Platform): Sandbox => ({
    id,
    site: target,
    namespace: nameFor(world.stack.name),
    labels: labels(world.stack.name, id),
    deadline: world.stack.objectives.restoreTime * 2,
    // As data: a component that needs an endpoint reads its kind.
    endpointOf: (component) => (reports.get(component)?.endpoint as Json | undefined as JsonObject | undefined) ?? null,
  })
  const placeOf = new Map(components.map(({ component, platform }) => [component.name, sandboxOn(platform)]))
  // A copy is asked in the sandbox that it was restored in, from whichever sandbox the question comes.
  const context: DriverContext = {
    ...world.context,
    sql: (name, at, query) => world.context.sql(name, typeof at === 'string' ? at : (placeOf.get(name) ?? at), query),
  }
  const tests = new Map<ComponentName, Promise<void>>()
  const test = async (component: Component, sandbox: Sandbox): Promise<void> => {
    await Promise.all(component.needs.map((need) => tests.get(need) ?? Promise.resolve()))
    const grounds = component.needs.filter((need) => tests.has(need) && reports.get(need)?.endpoint === undefined)
    if (grounds.length > 0) {
      world.log.warning(`${component.name} is not tested: ${grounds.join(', ')} could not be restored`)
      return
    }
    world.log.info(`${component.name}: restoring the newest backup of ${source} into ${target} ${sandbox.namespace}`)
    try {
      const report = await restoreTestOf(world.drivers[component.driver], component, source, sandbox, context)
      if (report === null) return
      reports.set(component.name, report)
      for (const check of report.checks) logCheck(world, check)
    } catch (error) {
      failure ??= asStandbyError(error)
      world.log.warning(`${component.name}: ${asStandbyError(error).message}`)
    }
  }
  for (const { component, platform } of components) tests.set(component.name, test(component, sandboxOn(platform)))
  await Promise.all(tests.values())
  return { reports, failure, endedAt: world.clock.now().getTime() }
}

function logCheck(world: World, check: Check): void {
  const line = `${check.component} ${check.id}: ${check.outcome} (expected ${check.expected}, found ${check.found})`
  if (check.outcome === 'pass') world.log.info(line)
  else world.log.warning(line)
}

/** The age of the oldest restored part: the loss of a disaster at the start of the test. */
function oldest(begun: Date, reports: ReadonlyMap<ComponentName, RestoreTestReport>): number | null {
  const ages = [...reports.values()]
    .map((report) => begun.getTime() - Date.parse(report.backup.takenAt))
    .filter((age) => Number.isFinite(age))
  return ages.length === 0 ? null : Math.max(...ages)
}

async function keepRecord(world: World, outcome: RestoreTestOutcome, begun: Date): Promise<void> {
  const record = { at: begun.toISOString(), ...outcome } as unknown as JsonObject
  await world.context.records.write('restore-tests', `${outcome.source}/${outcome.id}`, record)
}
