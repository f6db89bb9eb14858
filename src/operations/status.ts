import type { World } from '../composition/connect.ts'
import { EVERYWHERE, type Gap, type Observed } from '../domain/observed.ts'
import type { Finding } from '../domain/plan.ts'
import type { Component, Site } from '../domain/stack.ts'
import { gapsOf } from '../driver/ask.ts'
import type { ComponentStatus, RestoreTestRecord, SiteStatus, StatusReport } from '../evidence/reports.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'
import { type ActiveRecord, restoreTestDocument } from '../witness/documents.ts'

/** Both sites side by side. Read-only, and never hangs: what does not answer is a value in the report. */
export async function status(world: World): Promise<StatusReport> {
  const asked = lastRestoreTests(world)
  const observation = await world.observe()
  // A silent witness would cost a second wait: reading its records has longer deadlines than an observation.
  const restoreTests = observation.witness.kind === 'answering' ? await asked : new Map<string, RestoreTests>()
  return statusOf(world, observation, world.findings(observation, null), restoreTests)
}

/** The report of an observation. Pure. */
export function statusOf(
  world: Pick<World, 'stack' | 'drivers'>,
  observation: Observation,
  findings: readonly Finding[],
  restoreTests: ReadonlyMap<string, RestoreTests>,
): StatusReport {
  const active = observation.witness.kind === 'answering' ? observation.witness.active : null
  const scopeOf = (component: Component): 'site' | 'stack' => world.drivers[component.driver]?.scope ?? 'site'
  const activeSite = world.stack.sites.find((site) => site.name === active?.activeSite)?.name
  const see = (component: Component, where: string): ComponentStatus => {
    const states = observation.components[component.name] ?? {}
    const gaps =
      activeSite === undefined
        ? {}
        : gapsOf(world.drivers[component.driver], component, states, activeSite, observation.at)
    return componentStatus(
      component,
      states[where] ?? { kind: 'silent', why: 'it was not observed' },
      gaps[where] ?? null,
    )
  }
  const sites = world.stack.sites.map((site): SiteStatus => {
    const view = observation.sites[site.name]
    return {
      name: site.name,
      role: roleOf(site, active),
      reachable: view?.kind === 'answering',
      text: platformViewsOf(site, observation).map(textOf).join('; '),
      components: world.stack.components
        .filter((component) => scopeOf(component) === 'site')
        .map((component) => see(component, site.name)),
      lastRestoreTest: restoreTests.get(site.name)?.last ?? null,
      lastGreenRestoreTest: restoreTests.get(site.name)?.green ?? null,
    }
  })
  return {
    schemaVersion: 1,
    stack: world.stack.name,
    at: observation.at,
    epoch: active?.epoch ?? null,
    activeSite: active?.activeSite ?? null,
    sites,
    everywhere: world.stack.components
      .filter((component) => scopeOf(component) === 'stack')
      .map((component) => see(component, EVERYWHERE)),
    findings,
    verdict: verdictOf(findings),
    observation,
  }
}

function roleOf(site: Site, active: ActiveRecord | null): SiteStatus['role'] {
  if (active === null) return 'unknown'
  return active.activeSite === site.name ? 'active' : 'passive'
}

function verdictOf(findings: readonly Finding[]): StatusReport['verdict'] {
  if (findings.some(({ severity }) => severity === 'blocker')) return 'broken'
  return findings.some(({ severity }) => severity === 'warning') ? 'degraded' : 'green'
}

function textOf({ platform, view }: ReturnType<typeof platformViewsOf>[number]): string {
  if (view.kind === 'answering') return platform.text(view)
  return view.kind === 'silent' ? view.why : 'a platform other than the declared one answers'
}

function componentStatus(component: Component, seen: Observed, gap: Gap | null): ComponentStatus {
  const common = { name: component.name, driver: component.driver }
  if (seen.kind !== 'answering')
    return { ...common, role: 'unknown', health: seen.kind, text: seen.why, gap: null, lastBackup: null }
  return { ...common, role: seen.role, health: seen.health, text: seen.text, gap, lastBackup: seen.lastBackup ?? null }
}

/** Of one site's backups. */
export interface RestoreTests {
  readonly last: RestoreTestRecord
  readonly green: RestoreTestRecord | null
}

/** The newest restore tests of each site's backups; a silent witness is reported by the observation, not here. */
export async function lastRestoreTests(world: World): Promise<Map<string, RestoreTests>> {
  const newest = async (
    site: string,
    meant?: (record: RestoreTestRecord) => boolean,
  ): Promise<RestoreTestRecord | null> =>
    (await world.context.records.newest('restore-tests', `${site}/`, restoreTestDocument, meant).catch(() => null))
      ?.record ?? null
  const found = await Promise.all(
    world.stack.sites.map(async ({ name }) => {
      const last = await newest(name)
      if (last === null) return []
      const green = isGreen(last) ? last : await newest(name, isGreen)
      return [[name, { last, green }] as const]
    }),
  )
  return new Map(found.flat())
}
const isGreen = ({ verdict }: RestoreTestRecord): boolean => verdict === 'restorable'
