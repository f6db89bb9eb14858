import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { GuardedUnits, SeenUnit } from '../../driver/guarded-units.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { isObject } from '../../values/json.ts'
import { parseStrictly } from '../../values/strict-json.ts'
import { storeOf } from './dcs/open-store.ts'
import { controlDataOf, hostOf, type MemberHost } from './host.ts'
import { standbyClusterIn } from './observe.ts'
import { clusterNamed, type Database, isStretched, type PatroniSpec, siteSpecOf, unitOf } from './spec.ts'

/**
 * The unit of Patroni on each machine that has a member. None of a cluster over all sites: its lock shuts a site, and
 * the members of a passive one must be able to take over.
 */
export const guardedUnits: GuardedUnits<PatroniSpec> = {
  units: (component, site, machine) =>
    (isStretched(component.spec) ? [] : Object.entries(siteSpecOf(component, site).members))
      .filter(([, { host }]) => host === machine)
      .map(([name]) => ({
        unit: unitOf(component),
        look: (context) => lookAtMember(component, site, name, context),
      })),
}

/** Of one server of the store; the guard looks again soon. */
const STORE: Milliseconds = seconds(2)

async function lookAtMember(
  component: Database,
  site: SiteName,
  name: string,
  context: DriverContext,
): Promise<SeenUnit> {
  const host = hostOf(component, site, name, context, context.signal)
  const [{ patroni, postgres }, control, data, stored] = await Promise.all([
    host.runs(),
    controlDataOf(host),
    dataOf(host),
    directionInStore(component, site, context),
  ])
  return judged({
    name,
    cluster: clusterNamed(component, site),
    runs: patroni || postgres,
    // PostgreSQL writes this state before it takes its first write.
    writes: postgres && (control === null ? null : control.state === 'in production'),
    hasData: data.exists,
    stored,
    cached: data.cached,
  })
}

/** Which way the configuration of Patroni points; none: there is no configuration; unread: it is not known. */
type Direction = 'standby' | 'primary' | 'none' | 'unread'
interface Judged {
  readonly name: string
  readonly cluster: string
  readonly runs: boolean
  /** PostgreSQL runs, and is no standby; null: it runs, and its control file cannot be read. */
  readonly writes: boolean | null
  readonly hasData: boolean
  /** `lasting`: the guard lacks what it needs to ask, and a later look sees no more. */
  readonly stored: { readonly says: Direction; readonly why: string; readonly lasting?: boolean }
  /** By the copy that a running Patroni keeps of it. */
  readonly cached: Direction
}

/**
 * Only the configuration in the store decides whether a member can become a primary: the standby leader and every
 * replica of a former active site look alike in their data directories. Roles never count. Pure.
 */
export function judged({ name, cluster, runs, writes, hasData, stored, cached }: Judged): SeenUnit {
  // A Patroni with data, and an empty store, begins as the leader of a new cluster.
  const mayLead = stored.says === 'primary' || stored.says === 'none'
  const opens = mayLead || (stored.says === 'unread' && cached === 'primary')
  if (writes) return { is: 'open', start: 'opens', why: `PostgreSQL of ${name} takes writes` }
  if (runs) {
    if (opens) return { is: 'open', start: 'opens', why: `Patroni may make ${name} a primary: ${stored.why}` }
    if (writes === null)
      return {
        is: 'unknown',
        start: stored.says === 'standby' ? 'harmless' : 'unknown',
        why: `PostgreSQL of ${name} runs, and pg_controldata does not say whether it takes writes (server.programs)`,
      }
    if (stored.says === 'standby') return { is: 'passive', start: 'harmless', why: stored.why }
    // Patroni makes no primary without its store, and it last read there that it follows.
    return cached === 'standby' && stored.lasting !== true
      ? { is: 'passive', start: 'unknown', why: stored.why }
      : { is: 'unknown', start: 'unknown', why: stored.why }
  }
  if (stored.says === 'standby') return { is: 'passive', start: 'harmless', why: stored.why }
  // Its disk may be mounted a moment later. Only a site that holds nothing at all begins anew.
  if (!hasData && stored.says === 'none') return { is: 'passive', start: 'harmless', why: `${name} has no data` }
  if (!hasData)
    return { is: 'passive', start: mayLead ? 'opens' : 'unknown', why: `${name} shows no data, and ${stored.why}` }
  return mayLead
    ? {
        is: 'shut',
        start: 'opens',
        why: `${name} would start as a member of ${cluster} that may take writes: ${stored.why}`,
      }
    : { is: 'shut', start: 'unknown', why: stored.why }
}

async function directionInStore(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<Judged['stored']> {
  try {
    const call = { reach: { site }, deadline: STORE, signal: context.signal }
    const { config } = await storeOf(component, site, context, call).read()
    if (config === null) return { says: 'none', why: 'its store holds no configuration' }
    return directionIn(config.value) === 'standby'
      ? { says: 'standby', why: 'its store says that the site follows another one' }
      : { says: 'primary', why: 'its store does not say that the site follows another one' }
  } catch (thrown) {
    const { code, message } = asStandbyError(thrown)
    const lasting = ['credential-missing', 'credential-not-local'].includes(code)
    return { says: 'unread', why: `its store cannot be read: ${message}`, lasting }
  }
}

function directionIn(config: unknown): Direction {
  if (!isObject(config)) return 'unread'
  return standbyClusterIn(config) === null ? 'primary' : 'standby'
}

/** Patroni writes what it reads in the store into this file (`patroni.dynamic.json` in config.py). */
const LOOK = `[ -e "$PGDATA/PG_VERSION" ] && echo data || echo none
cat "$PGDATA/patroni.dynamic.json" 2>/dev/null || :`

async function dataOf(host: MemberHost): Promise<{ readonly exists: boolean; readonly cached: Direction }> {
  const { stdout } = await host.shell(LOOK, [], seconds(5))
  const [first, ...rest] = stdout.split('\n')
  const parsed = parseStrictly(rest.join('\n'))
  return { exists: first !== 'none', cached: 'value' in parsed ? directionIn(parsed.value) : 'unread' }
}
