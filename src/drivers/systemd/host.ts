import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { quoted } from '../../driver/manual.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type Application, addressOn, type SystemdSpec } from './spec.ts'
import { fullName, PROPERTIES, type UnitSeen, unitsIn } from './unit-state.ts'
import { versionIn } from './version.ts'

/** One host of the application, with its units in the order in which they are started. */
export interface Host {
  readonly site: SiteName
  readonly name: string
  readonly units: readonly string[]
}
/** `deadline`: of one call; 10 s when absent. */
export interface Asking {
  readonly context: DriverContext
  readonly signal: AbortSignal
  readonly deadline?: Milliseconds
}
/** How long a host waits for the application: an application that hangs must not make its host look silent. */
const pagesWithin = (deadline: Milliseconds = seconds(10)): string =>
  (Math.min(deadline, seconds(8)) / 2_700).toFixed(1)

/** What one host says of the application. */
export interface HostState {
  readonly units: Readonly<Record<string, UnitSeen>>
  /** What the page of health answers, as text, where that is not as declared; null: it is, or none is declared. */
  readonly unhealthy: string | null
  readonly version: string | null
}

const MARK = '--standby--'

/** Reads the units, the page of health and the version in one call. Throws `systemd-command-failed`. */
export async function lookAt(
  component: Application,
  host: Host,
  { context, signal, deadline }: Asking,
): Promise<HostState> {
  const { health, version } = component.spec
  const url = addressOn(component, addressOfHost(host, context))
  const within = pagesWithin(deadline)
  const script = [
    `systemctl show --property=${PROPERTIES.join(',')} -- ${words(host.units)} || exit 1`,
    `echo ${MARK}`,
    ...(health === undefined || url === null
      ? []
      : [`curl -sS -o /dev/null -w '%{http_code}' --max-time ${within} ${quoted(`${url}${health.path}`)} 2>&1`]),
    `echo; echo ${MARK}`,
    ...versionLine(version, url, within),
    'exit 0',
  ].join('\n')
  const answer = await hostsOf(host, context).run(host.name, script, {
    signal,
    ...(deadline === undefined ? {} : { deadline }),
  })
  const [shown = '', probed = '', said = ''] = answer.stdout.split(`${MARK}\n`)
  const units = answer.code === 0 ? unitsIn(shown, host.units) : null
  if (units === null) throw commandFailed(host, 'systemctl show', answer.stderr || answer.stdout)
  return {
    units,
    unhealthy: health === undefined ? null : unhealthyText(health, probed.trim()),
    version: versionIn(said, version),
  }
}

function versionLine(version: Application['spec']['version'], url: string | null, within: string): string[] {
  if (version === undefined) return []
  if ('run' in version)
    return [`timeout ${within} ${version.run.map(quoted).join(' ')} 2>/dev/null | tail -n 1 | head -c 200`]
  return url === null
    ? []
    : [`curl -sS --fail --max-time ${within} ${quoted(`${url}${version.path}`)} 2>/dev/null | head -c 65536`]
}

/** `probed`: what curl prints: a status of three digits, after its own words where it got none. Pure. */
export function unhealthyText(health: NonNullable<SystemdSpec['health']>, probed: string): string | null {
  const status = Number(/([0-9]{3})$/.exec(probed)?.[1] ?? 0)
  if (status === 0)
    return (
      probed
        .replace(/\s*000$/, '')
        .split('\n')
        .at(-1) || 'no answer'
    )
  const isGood = health.expect?.includes(status) ?? (status >= 200 && status < 300)
  return isGood ? null : `${health.path} answers ${status}`
}

/**
 * Starts the units in their order, and has a boot start them. What systemd says of a unit that does not come up is seen
 * afterwards. `enabled`: which of them a boot starts. Throws `systemd-command-failed` where one cannot be enabled.
 */
export async function startUnits(
  host: Host,
  { started, enabled }: { readonly started: readonly string[]; readonly enabled: readonly string[] },
  { context, signal }: Asking,
): Promise<void> {
  if (started.length + enabled.length === 0) return
  const script = [
    ...(enabled.length === 0 ? [] : [`systemctl enable -- ${words(enabled)} || exit 1`]),
    // A counter of earlier crashes would keep a unit from being started.
    ...started.flatMap((unit) => [
      `systemctl reset-failed -- ${quoted(unit)} 2>/dev/null`,
      `systemctl start -- ${quoted(unit)} || exit 0`,
    ]),
    'exit 0',
  ].join('\n')
  const answer = await hostsOf(host, context).run(host.name, script, { signal, asRoot: true, deadline: STARTING })
  if (answer.code !== 0) throw commandFailed(host, `systemctl enable ${host.units.join(' ')}`, answer.stderr)
}
/** One call: systemd goes on with its jobs when it ends, and the next look sees how far they are. */
const STARTING: Milliseconds = minutes(2)

/**
 * Has no boot start the units, and stops them in the opposite order; within TimeoutStopSec systemd ends them by
 * SIGKILL. Processes that are left then, such as with `KillMode=process`, are killed. Returns the units of which some
 * were. Throws `systemd-command-failed`, after all units were tried.
 */
export async function stopUnits(host: Host, within: Milliseconds, { context, signal }: Asking): Promise<string[]> {
  const backwards = words([...host.units].reverse())
  const script = [
    'of() { systemctl show --property="$1" --value -- "$2"; }',
    'failed=0',
    // What cannot be disabled, such as on a disk that is read-only, is stopped all the same.
    `for unit in ${backwards}; do`,
    '  [ "$(of LoadState "$unit")" != loaded ] || systemctl disable --quiet -- "$unit" || failed=1',
    'done',
    // Twice: what one unit starts, such as a socket its service, is stopped with it.
    `for unit in ${backwards} ${backwards}; do`,
    // Also one that is inactive: its start may wait for another unit, and a stop takes that back.
    '  [ "$(of ActiveState "$unit")$(of Job "$unit")" = inactive ] || systemctl stop -- "$unit" || { failed=1; continue; }',
    '  [ -n "$(of ControlGroup "$unit")" ] || continue',
    '  systemctl kill --signal=KILL -- "$unit" 2>/dev/null && echo "$unit"',
    'done',
    'exit $failed',
  ].join('\n')
  const answer = await hostsOf(host, context).run(host.name, script, { signal, asRoot: true, deadline: within })
  if (answer.code !== 0) throw commandFailed(host, `systemctl stop ${host.units.join(' ')}`, answer.stderr)
  return host.units.filter((unit) => answer.stdout.split('\n').includes(unit))
}

/**
 * The last lines that a unit has written, or those of systemd about it; empty where they cannot be read. For people.
 */
export async function lastWordsOf(host: Host, unit: string, { context, signal }: Asking): Promise<string> {
  const read = 'journalctl --quiet --no-pager --output=cat --lines=5'
  const script = `said=$(${read} ${quoted(`_SYSTEMD_UNIT=${fullName(unit)}`)}); [ -n "$said" ] || said=$(${read} --unit=${quoted(unit)}); printf '%s\\n' "$said"`
  const answer = await hostsOf(host, context).run(host.name, script, { signal, asRoot: true, deadline: seconds(10) })
  return answer.code === 0 ? answer.stdout.trim().split('\n').join(' | ') : ''
}

export const addressOfHost = ({ site, name }: Host, context: DriverContext): string =>
  context.platform(HOSTS, site).machines[name]?.address ?? '127.0.0.1'

export const hostsOf = ({ site }: Host, context: DriverContext) => context.platform(HOSTS, site)

const words = (units: readonly string[]): string => units.map(quoted).join(' ')

export const commandFailed = ({ site, name }: Host, what: string, said: string) =>
  codes.error('systemd-command-failed', `${name}: ${what}: ${said.trim().split('\n').slice(-3).join(' ')}`, {
    retry: 'transient',
    where: `${site} ${name}`,
    next: `Look at ${name}; the user of the hosts needs the rights of root there (become: sudo).`,
  })
