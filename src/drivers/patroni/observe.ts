import type { Fact } from '../../domain/fact.ts'
import type { Observed, Summary } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { isObject, type JsonObject } from '../../values/json.ts'
import { type ArchiveView, observeArchive } from './backup/observe-archive.ts'
import { historyIn } from './dcs/etcd.ts'
import { storeOf } from './dcs/open-store.ts'
import type { StoreView } from './dcs/store.ts'
import type { HistoryLine } from './history.ts'
import { controlDataOf, hostOf } from './host.ts'
import {
  ASKED_WITHIN,
  askMember,
  askStored,
  isInRecovery,
  isWritable,
  type Member,
  type MemberView,
} from './rest-api.ts'
import { clusterNamed, type Database, membersOf, siteFollowed } from './spec.ts'

/** What is true of the Patroni cluster of one site. */
export interface PatroniState {
  readonly cluster: string
  readonly members: Readonly<Record<string, MemberView>>
  /** The control files of members that do not answer; without those that cannot be read. */
  readonly stopped: Readonly<Record<string, StoppedServer>>
  readonly store: ({ readonly is: 'answering' } & StoreView) | { readonly is: 'silent'; readonly why: string }
  /** The dynamic configuration, from the store or from a member; null where neither says it. */
  readonly config: JsonObject | null
  readonly history: readonly HistoryLine[]
  /**
   * By `standby_cluster`: the declared site that it follows; `elsewhere`: none that is declared; null: it is no standby
   * cluster.
   */
  readonly follows: string | null
  /** Absent: no backups are declared. */
  readonly archive?: ArchiveView
}
export interface StoppedServer {
  readonly state: string
  readonly timeline: number
  /** Position of the last checkpoint (LSN). */
  readonly checkpoint: string
}

/** A site is not silent because its store is slow. */
const STORE_WITHIN: Milliseconds = ASKED_WITHIN
/**
 * A daemon that is stopped is known at once, and its host may be asked. Of a host that is gone nothing is waited for.
 */
const KNOWN_WITHIN: Milliseconds = seconds(1)
const CONTROL_FILE: Milliseconds = seconds(1.5)

/** Asks every member and the store, side by side. */
export async function observePatroni(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<PatroniState>> {
  const { signal } = context
  const begun = performance.now()
  const [members, store] = await Promise.all([
    askMembers(component, site, context, { signal }),
    readStore(component, site, context, { signal }),
  ])
  const answering = Object.entries(members).filter(([, member]) => member.is === 'answering')
  if (answering.length === 0 && store.is === 'silent')
    return { kind: 'silent', why: `no member answers (${whyOf(members)}), and neither does the store: ${store.why}` }
  const [first] = answering
  const asked = { reach: { site }, signal, deadline: seconds(1) }
  const spent = performance.now() - begun
  const [stored, lines, stopped, archive] = await Promise.all([
    store.is === 'answering' || first === undefined
      ? null
      : askStored(component, site, first[0], 'config', context, asked),
    store.is === 'answering' || first === undefined
      ? null
      : askStored(component, site, first[0], 'history', context, asked),
    spent > KNOWN_WITHIN ? {} : readStopped(component, site, members, context),
    component.spec.backups === undefined ? null : observeArchive(component, site, context, { members, spent }),
  ])
  const config = store.is === 'answering' ? store.config?.value : stored
  return summarized({
    cluster: clusterNamed(component, site),
    members,
    stopped,
    store,
    config: isObject(config) ? config : null,
    history: store.is === 'answering' ? store.history : historyIn(lines),
    follows: followedIn(component, isObject(config) ? config : null),
    ...(archive === null ? {} : { archive }),
  })
}

/** Every declared member of a site, asked side by side. */
export async function askMembers(
  component: Database,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential' | 'stack'>,
  { signal, mayBeLost }: { readonly signal: AbortSignal; readonly mayBeLost?: Milliseconds },
): Promise<Readonly<Record<string, MemberView>>> {
  const reach = reachInto(site, context, mayBeLost)
  const seen = await Promise.all(
    membersOf(component, site).map(
      async (name) => [name, await askMember(component, site, name, context, { reach, signal })] as const,
    ),
  )
  return Object.fromEntries(seen)
}

export function reachInto(site: string, { stack }: Pick<DriverContext, 'stack'>, mayBeLost?: Milliseconds): Reach {
  const name = stack.sites.find((one) => one.name === site)?.name
  if (name === undefined) throw new Error(`there is no site ${site}`)
  return mayBeLost === undefined ? { site: name } : { site: name, mayBeLost }
}

async function readStore(
  component: Database,
  site: SiteName,
  context: DriverContext,
  { signal }: { readonly signal: AbortSignal },
): Promise<PatroniState['store']> {
  try {
    const store = storeOf(component, site, context, { reach: { site }, deadline: STORE_WITHIN, signal })
    return { is: 'answering', ...(await store.read()) }
  } catch (error) {
    signal.throwIfAborted()
    return { is: 'silent', why: asStandbyError(error).message }
  }
}

/** What the control files of silent members say: a rejoin is planned by it. */
async function readStopped(
  component: Database,
  site: SiteName,
  members: PatroniState['members'],
  context: DriverContext,
): Promise<PatroniState['stopped']> {
  const read = Object.entries(members).flatMap(([name, member]) =>
    member.is === 'answering'
      ? []
      : [
          controlDataOf(hostOf(component, site, name, context, context.signal), CONTROL_FILE)
            .catch(() => null)
            .then((control): [string, StoppedServer][] =>
              control === null
                ? []
                : [[name, { state: control.state, timeline: control.timeline, checkpoint: control.checkpoint }]],
            ),
        ],
  )
  return Object.fromEntries((await Promise.all(read)).flat())
}

/** `elsewhere` for a `standby_cluster` that leads to no declared site. Pure. */
export function followedIn(component: Database, config: JsonObject | null): string | null {
  const standby = standbyClusterIn(config)
  return standby === null ? null : (siteFollowed(component, standby) ?? 'elsewhere')
}

/**
 * The `standby_cluster` of a configuration; null where Patroni does not count it, and would promote a member: one of
 * these keys makes it valid (is_standby_cluster in global_config.py). Pure.
 */
export function standbyClusterIn(config: JsonObject | null): JsonObject | null {
  const { standby_cluster: standby = null } = config ?? {}
  return isObject(standby) && ['host', 'port', 'restore_command'].some((key) => standby[key]) ? standby : null
}

const whyOf = (members: PatroniState['members']): string =>
  Object.values(members)
    .flatMap((member) => (member.is === 'silent' ? [member.why] : []))
    .join('; ')

export const answeringIn = ({ members }: Pick<PatroniState, 'members'>): Member[] =>
  Object.values(members).filter((member) => member.is === 'answering')

/** The one member that accepts writes; null where none or several do. Pure. */
export function writerIn({ members }: Pick<PatroniState, 'members'>): (Member & { readonly writesAt: number }) | null {
  const [first, ...more] = Object.values(members).filter(isWritable)
  return more.length > 0 ? null : (first ?? null)
}
/** The member that follows another site for the whole cluster: by its own word, and in recovery. Pure. */
export const standbyLeaderIn = ({ members }: Pick<PatroniState, 'members'>) =>
  Object.values(members)
    .filter(isInRecovery)
    .find(({ role }) => role === 'standby_leader') ?? null

/** The member by which its site is known: the one that writes, or that follows for all. Pure. */
export const headOf = (state: Pick<PatroniState, 'members'>): Member | null => writerIn(state) ?? standbyLeaderIn(state)

export function summarized(state: PatroniState): Extract<Observed<PatroniState>, { readonly kind: 'answering' }> {
  const members = Object.values(state.members)
  const running = answeringIn(state).filter((member) => isWritable(member) || isInRecovery(member))
  const role = roleOf(state)
  const timeline = headOf(state)?.timeline ?? null
  const call = { active: 'primary', passive: `follows ${state.follows}`, split: 'split', unknown: 'no primary' }[role]
  return {
    kind: 'answering',
    state,
    role,
    health: healthOf(state),
    text: `${call}${timeline === null ? '' : `, timeline ${timeline}`}, ${running.length}/${members.length} running`,
    facts: factsOf(state),
  }
}

/** PostgreSQL decides, and the configuration must agree: what is called a standby leader may still accept writes. */
function roleOf(state: PatroniState): Summary['role'] {
  const writers = Object.values(state.members).filter(isWritable)
  if (writers.length > 1 || (writers.length === 1 && state.follows !== null)) return 'split'
  if (writers.length === 1) return 'active'
  return state.follows !== null && standbyLeaderIn(state) !== null ? 'passive' : 'unknown'
}

function healthOf(state: PatroniState): Summary['health'] {
  const head = headOf(state)
  if (head === null) return 'down'
  const all = Object.values(state.members)
  const well =
    state.store.is === 'answering' &&
    all.every((member) => isWritable(member) || isInRecovery(member)) &&
    (isWritable(head) || head.replication === 'streaming')
  return well ? 'healthy' : 'degraded'
}

/**
 * A plan holds while none of these changes: a failover inside the active site gives it another primary and another
 * timeline.
 */
export function factsOf(state: PatroniState): Fact[] {
  const writer = writerIn(state)
  const systemId = headOf(state)?.systemId ?? (state.store.is === 'answering' ? state.store.initialized : null)
  const named: readonly (readonly [name: string, value: string | number | null | undefined])[] = [
    ['follows', state.follows ?? 'none'],
    ['system id', systemId],
    ['primary', writer?.name],
    ['timeline', writer?.timeline],
  ]
  return named.flatMap(([name, value]): Fact[] => (value == null ? [] : [{ name, value, binds: 'exactly' }]))
}
