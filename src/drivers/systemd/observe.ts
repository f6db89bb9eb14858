import { seenInTime } from '../../clients/seen-in-time.ts'
import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type CanarySeen, seeCanaryWithin, seenByReading } from '../../systems/application/canary-seen.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { tryCanary } from './canary.ts'
import { type Asking, type Host, type HostState, lookAt } from './host.ts'
import { type SecretsSeen, secretHashes } from './must-match.ts'
import { type Application, nameOf, unitsAt } from './spec.ts'
import { isStopped, isUp } from './unit-state.ts'

/** The units of one site, host by host. */
export interface SystemdState {
  readonly hosts: Readonly<Record<string, HostSeen>>
  /** Absent where none is declared. */
  readonly canary?: CanarySeen
}
export type HostSeen = AnsweringHost | { readonly is: 'silent'; readonly why: string }
export interface AnsweringHost extends HostState {
  readonly is: 'answering'
  readonly secrets: SecretsSeen
}

/** Shorter than an observation may take: one host that does not answer must not silence the others. */
const LOOKED_WITHIN: Milliseconds = seconds(2.4)
/** The look and the canary together. The canary gets the time that the look has left, and at least a moment. */
const SEEN_WITHIN: Milliseconds = seconds(2.7)
const MOMENT: Milliseconds = seconds(0.3)

export async function observeUnits(
  component: Application,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<SystemdState>> {
  const { canary } = component.spec
  const begun = performance.now()
  const hosts = await seenHosts(component, site, { context, signal: context.signal, deadline: LOOKED_WITHIN })
  const state: SystemdState = { hosts }
  if (canary === undefined || answeringHosts(state).length === 0) return summarized(component, site, state)
  const seen = await seeCanaryWithin(
    Math.round(Math.max(MOMENT, SEEN_WITHIN - (performance.now() - begun))),
    { canary, site, awake: isAwake(state) },
    async (bounded) => seenByReading(await tryCanary(component, site, bounded)),
    context,
  )
  return summarized(component, site, { ...state, canary: seen })
}

async function seenHosts(component: Application, site: SiteName, asking: Asking): Promise<SystemdState['hosts']> {
  const silent = (why: string): HostSeen => ({ is: 'silent', why })
  const seen = unitsAt(component, site).map(async ([name, units]): Promise<[string, HostSeen]> => {
    const host: Host = { site, name, units }
    const look = async (): Promise<HostSeen> => {
      const [state, secrets] = await Promise.all([
        lookAt(component, host, asking),
        secretHashes(component, host, asking),
      ])
      return { is: 'answering', ...state, secrets }
    }
    const view = await seenInTime(
      asking.signal,
      () => look().catch((error: unknown) => silent(asStandbyError(error).message)),
      () => silent('it does not answer in time'),
    )
    return [name, view]
  })
  return Object.fromEntries(await Promise.all(seen))
}

/** Pure. */
export function summarized(
  component: Application,
  site: SiteName | string,
  state: SystemdState,
): Observed<SystemdState> {
  const hosts = answeringHosts(state)
  if (hosts.length === 0)
    return {
      kind: 'silent',
      why: Object.entries(state.hosts)
        .map(([name, one]) => `${name}: ${one.is === 'silent' ? one.why : ''}`)
        .join('; '),
    }
  const units = hosts.flatMap(([, { units }]) => Object.values(units))
  const all = Object.keys(state.hosts).length
  if (all === hosts.length && units.every((unit) => unit.load === 'not-found' && isStopped(unit)))
    return { kind: 'absent', why: `there is no unit ${nameOf(component)} on ${site}` }
  const awake = isAwake(state)
  const serving = hosts.filter(([, host]) => serves(host)).length
  const versions = versionsOf(state)
  const declared = component.spec.version
  return {
    kind: 'answering',
    state,
    role: awake ? 'active' : 'passive',
    health: healthOf(awake, serving, hosts.length === all ? hosts.length : all),
    text: [awake ? `${serving}/${all} hosts serve` : `stopped on ${hosts.length}/${all} hosts`, ...versions].join(', '),
    facts: [
      { name: 'awake', value: awake, binds: 'exactly' },
      // Not a version that the application itself reports: it is unknown while the application is slow, and a plan that
      // rests on it would look stale.
      ...(declared !== undefined && 'run' in declared && versions.length > 0
        ? [{ name: 'version', value: versions.join(', '), binds: 'exactly' } as const]
        : []),
    ],
  }
}

function healthOf(awake: boolean, serving: number, all: number): 'healthy' | 'degraded' | 'down' {
  if (!awake || serving === all) return 'healthy'
  return serving > 0 ? 'degraded' : 'down'
}

export const answeringHosts = ({ hosts }: SystemdState): [name: string, host: AnsweringHost][] =>
  Object.entries(hosts).flatMap(([name, one]) => (one.is === 'answering' ? [[name, one]] : []))

/** Whether a unit runs on one of its hosts. */
export const isAwake = (state: SystemdState): boolean =>
  answeringHosts(state).some(([, { units }]) => Object.values(units).some((unit) => !isStopped(unit)))

/** All its units are up, and the page of health is as declared. */
export const serves = ({ units, unhealthy }: HostState): boolean =>
  Object.values(units).every(isUp) && unhealthy === null

/** The versions of a site, each once. */
export const versionsOf = (state: SystemdState): string[] =>
  [...new Set(answeringHosts(state).flatMap(([, { version }]) => (version === null ? [] : [version])))].sort()
