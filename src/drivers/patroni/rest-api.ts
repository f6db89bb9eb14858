/** The REST API of Patroni: the one place that knows its wire format (patroni/api.py of 4.1; 3.x says `master`). */
import type { DriverContext } from '../../driver/context.ts'
import { tlsOfRequest } from '../../driver/declared-tls.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { isObject, type JsonObject } from '../../values/json.ts'
import { type Database, memberOf } from './spec.ts'

/** What one member says of itself (`/patroni`). Positions are absolute, in bytes of WAL. */
export interface Member {
  readonly is: 'answering'
  /** As it calls itself. */
  readonly name: string
  readonly scope: string
  /**
   * What Patroni believes: never taken for the state of PostgreSQL. A member that is about to be demoted is called
   * `standby_leader` while it still accepts writes.
   */
  readonly role: string
  readonly state: string
  readonly timeline: number | null
  /** Where it writes; null where it is in recovery, and accepts no write, or where PostgreSQL does not answer. */
  readonly writesAt: number | null
  /** The end of the WAL that it has. Null where it is not in recovery, or where PostgreSQL does not answer. */
  readonly receivedAt: number | null
  readonly replayedAt: number | null
  /** ISO 8601, of the last commit that it has replayed; null: none since its start, or not known. */
  readonly replayedTime: string | null
  readonly replayPaused: boolean
  /** `streaming`, `in archive recovery`; null: neither. */
  readonly replication: string | null
  readonly systemId: string | null
  readonly patroni: string
  /** 150018 */
  readonly postgres: number | null
  readonly pendingRestart: readonly string[]
  readonly paused: boolean
  readonly unlocked: boolean
  readonly failsafe: boolean
  readonly watchdogFailed: boolean
}
export interface SilentMember {
  readonly is: 'silent'
  readonly why: string
}
export type MemberView = Member | SilentMember

/** PostgreSQL runs, and has left recovery. */
export const isWritable = (member: MemberView | undefined): member is Member & { readonly writesAt: number } =>
  member?.is === 'answering' && member.writesAt !== null
/** PostgreSQL runs in recovery: it accepts no write at this moment. */
export const isInRecovery = (
  member: MemberView | undefined,
): member is Member & { readonly receivedAt: number; readonly replayedAt: number } =>
  member?.is === 'answering' && member.writesAt === null && member.receivedAt !== null && member.replayedAt !== null

/** Longer than a member needs that answers at all: its own question to PostgreSQL may wait for 2 s. */
export const ASKED_WITHIN: Milliseconds = seconds(2.4)

export interface Asking {
  readonly reach: Reach
  readonly signal: AbortSignal
  readonly deadline?: Milliseconds
}

/** What a member says of itself. A member that is silent is a value. */
export async function askMember(
  component: Database,
  site: string,
  name: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  asking: Asking,
): Promise<MemberView> {
  try {
    const { status, body } = await get(component, site, name, 'patroni', context, asking)
    const value: unknown = JSON.parse(body)
    if (status !== 200 || !isObject(value)) return { is: 'silent', why: `${name} answers status ${status}` }
    return memberIn(value)
  } catch (thrown) {
    asking.signal.throwIfAborted()
    if (thrown instanceof SyntaxError) return { is: 'silent', why: `${name} answers no JSON` }
    return { is: 'silent', why: asStandbyError(thrown).message }
  }
}

/** The answer of one member to `/config` or `/history`: both come from its store. Null where it has none. */
export async function askStored(
  component: Database,
  site: string,
  name: string,
  path: 'config' | 'history',
  context: Pick<DriverContext, 'http' | 'credential'>,
  asking: Asking,
): Promise<unknown> {
  try {
    const { status, body } = await get(component, site, name, path, context, asking)
    return status === 200 ? (JSON.parse(body) as unknown) : null
  } catch {
    asking.signal.throwIfAborted()
    return null
  }
}

async function get(
  component: Database,
  site: string,
  name: string,
  path: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  { reach, signal, deadline = ASKED_WITHIN }: Asking,
) {
  const url = `${memberOf(component, site, name).restApi.replace(/\/$/, '')}/${path}`
  return context.http(
    {
      method: 'GET',
      url,
      deadline,
      signal,
      ...(await tlsOfRequest(component.spec.restApi, context)),
      mostBytes: 1024 * 1024,
    },
    reach,
  )
}

/**
 * Wakes Patroni on one member: its loop reads the configuration at once instead of within `loop_wait` (10 s). It is a
 * PATCH that removes a key which no configuration has: Patroni changes nothing, wakes its loop, and answers with the
 * configuration that the loop will read (do_PATCH_config in api.py). So it does no harm however late it arrives. Null
 * where the member does not answer; `refused`: not with this login.
 */
export async function wakeMember(
  component: Database,
  site: string,
  name: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  { reach, signal, deadline = ASKED_WITHIN }: Asking,
): Promise<JsonObject | 'refused' | null> {
  const change = { method: 'PATCH', path: 'config', body: { [NO_KEY]: null } } as const
  try {
    const { status, body } = await send(component, site, name, change, context, { reach, signal, deadline })
    if (status === 401 || status === 403) return 'refused'
    const value: unknown = status === 200 ? JSON.parse(body) : null
    return isObject(value) ? value : null
  } catch {
    signal.throwIfAborted()
    return null
  }
}
const NO_KEY = 'standby_wakes_patroni'

/**
 * Asks the member that holds the lock to hand it over to another one (`POST /switchover`). Patroni answers when it is
 * done, or after 2 × max(10 s, loop_wait). Its answers are texts, and a 200 may be about another candidate: the caller
 * looks for itself. Returns status and text. Throws `http-silent`.
 */
export async function askSwitchover(
  component: Database,
  site: string,
  { leader, candidate }: { readonly leader: string; readonly candidate: string },
  context: Pick<DriverContext, 'http' | 'credential'>,
  asking: Omit<Asking, 'deadline'>,
): Promise<{ readonly status: number; readonly text: string }> {
  const change = { method: 'POST', path: 'switchover', body: { leader, candidate } } as const
  const answer = await send(component, site, leader, change, context, { ...asking, deadline: SWITCHED_WITHIN })
  return { status: answer.status, text: answer.body.trim().slice(0, 300) }
}
/** Longer than Patroni itself waits with a `loop_wait` of 30 s. */
const SWITCHED_WITHIN: Milliseconds = seconds(75)

/** A call that changes something, with the login of a move. */
async function send(
  component: Database,
  site: string,
  name: string,
  { method, path, body }: { readonly method: 'PATCH' | 'POST'; readonly path: string; readonly body: JsonObject },
  context: Pick<DriverContext, 'http' | 'credential'>,
  { reach, signal, deadline = ASKED_WITHIN }: Asking,
) {
  const { user, password } = component.spec.restApi ?? {}
  const login =
    user === undefined || password === undefined
      ? {}
      : {
          authorization: `Basic ${Buffer.from(
            `${await context.credential(user)}:${await context.credential(password)}`,
          ).toString('base64')}`,
        }
  return context.http(
    {
      method,
      url: `${memberOf(component, site, name).restApi.replace(/\/$/, '')}/${path}`,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...login },
      deadline,
      signal,
      ...(await tlsOfRequest(component.spec.restApi, context)),
    },
    reach,
  )
}

/** Pure. */
export function memberIn(body: JsonObject): Member {
  const xlog = isObject(body.xlog) ? body.xlog : {}
  const patroni = isObject(body.patroni) ? body.patroni : {}
  const pending = isObject(body.pending_restart_reason) ? Object.keys(body.pending_restart_reason) : []
  return {
    is: 'answering',
    name: String(patroni.name ?? ''),
    scope: String(patroni.scope ?? ''),
    role: body.role === 'master' ? 'primary' : String(body.role ?? ''),
    state: String(body.state ?? ''),
    timeline: numberIn(body.timeline),
    writesAt: numberIn(xlog.location),
    receivedAt: receivedIn(xlog),
    replayedAt: numberIn(xlog.replayed_location),
    replayedTime: instantIn(xlog.replayed_timestamp),
    replayPaused: xlog.paused === true,
    replication: typeof body.replication_state === 'string' ? body.replication_state : null,
    systemId: typeof body.database_system_identifier === 'string' ? body.database_system_identifier : null,
    patroni: String(patroni.version ?? ''),
    postgres: numberIn(body.server_version),
    pendingRestart: body.pending_restart === true && pending.length === 0 ? ['unknown settings'] : pending,
    paused: body.pause === true,
    unlocked: body.cluster_unlocked === true,
    failsafe: body.failsafe_mode_is_active === true,
    watchdogFailed: body.watchdog_failed === true,
  }
}

/**
 * A standby that asks for a stream and gets none calls the beginning of the segment received, which lies before what it
 * has replayed from its own disk (`pg_last_wal_receive_lsn` after RequestXLogStreaming; seen after a demotion).
 */
function receivedIn(xlog: JsonObject): number | null {
  const received = numberIn(xlog.received_location)
  const replayed = numberIn(xlog.replayed_location)
  return received === null || replayed === null ? received : Math.max(received, replayed)
}

const numberIn = (value: unknown): number | null => (typeof value === 'number' ? value : null)

/** Patroni writes `2026-11-30 08:15:02.123456+00:00`. */
function instantIn(value: unknown): string | null {
  const parsed = typeof value === 'string' ? new Date(value.replace(' ', 'T')) : null
  return parsed === null || Number.isNaN(parsed.getTime()) ? null : parsed.toISOString()
}

/** Whether a version of Patroni, such as `4.1.4`, is at least this one. Pure. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map(Number)
  return own > major || (own === major && ownMinor >= minor)
}
