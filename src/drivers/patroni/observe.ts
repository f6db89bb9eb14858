import { setTimeout as sleep } from 'node:timers/promises'
import { seenInTime } from '../../clients/seen-in-time.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Observed, Summary } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { isObject, type JsonObject } from '../../values/json.ts'
import { type ArchiveView, observeArchive } from './backup/observe-archive.ts'
import { storeOf } from './dcs/open-store.ts'
import type { StoreView } from './dcs/store.ts'
import { historyIn } from './dcs/view.ts'
import { type AskedMembers, firstMember } from './first-member.ts'
import type { HistoryLine } from './history.ts'
import { controlDataOf, hostOf } from './host.ts'
import { askMember, askStored, isInRecovery, isWritable, type Member, type MemberView } from './rest-api.ts'
import { clusterNamed, type Database, isStretched, membersOf, siteFollowed } from './spec.ts'
import { readVoters, type StretchedView, stretchedText, stretchedView } from './stretched/view.ts'

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
   * cluster. Of a cluster over all sites: the other site whose member holds the lock.
   */
  readonly follows: string | null
  /** Absent: this cluster does not span the sites. */
  readonly stretched?: StretchedView
  /** Absent: no backups are declared. */
  readonly archive?: ArchiveView
}
export interface StoppedServer {
  readonly state: string
  readonly timeline: number
  /** Position of the last checkpoint (LSN). */
  readonly checkpoint: string
}

/** Of one server of the store: one that is frozen leaves time for the next one. */
const STORE_WITHIN: Milliseconds = seconds(1)
/** Then a member is asked for what the store holds, which may reach it by another way. */
const STORE_IS_LATE: Milliseconds = seconds(1)
const STORED_WITHIN: Milliseconds = seconds(1)
/**
 * A daemon that is stopped is known at once, and its host may be asked. Of a host that is gone nothing is waited for.
 */
const KNOWN_WITHIN: Milliseconds = seconds(1)
const CONTROL_FILE: Milliseconds = seconds(1.5)

/**
 * Asks the members, the store and the archive, side by side. What says nothing by the end of the signal is silent, and
 * hides nothing of the rest.
 */
export async function observePatroni(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<PatroniState>> {
  const asked = Object.fromEntries(
    membersOf(component, site).map((name) => [name, seeMember(component, site, name, context)]),
  )
  const store = seeStore(component, site, context)
  const [members, seen, stored, stopped, archive, voters] = await Promise.all([
    viewsOf(asked),
    store,
    askedInstead(component, site, context, { asked, store }),
    readStopped(component, site, asked, context),
    component.spec.backups === undefined ? null : observeArchive(component, site, context, asked),
    isStretched(component.spec) ? readVoters(component, site, context) : null,
  ])
  if (answeringIn({ members }).length === 0) {
    if (seen.is === 'silent')
      return { kind: 'silent', why: `no member answers (${whyOf(members)}), and neither does the store: ${seen.why}` }
    // Members that refuse have been stopped; nothing is known of those that had no time to answer.
    if (context.signal.aborted) return { kind: 'silent', why: whyOf(members) }
  }
  const config = seen.is === 'answering' ? seen.config?.value : stored?.config
  return summarized({
    cluster: clusterNamed(component, site),
    members,
    stopped,
    store: seen,
    config: isObject(config) ? config : null,
    history: seen.is === 'answering' ? seen.history : historyIn(stored?.history),
    ...placeIn(component, site, { store: seen, config: isObject(config) ? config : null, voters }),
    ...(archive === null ? {} : { archive }),
  })
}

const viewsOf = async (asked: AskedMembers): Promise<Readonly<Record<string, MemberView>>> =>
  Object.fromEntries(await Promise.all(Object.entries(asked).map(async ([name, view]) => [name, await view] as const)))

const seeMember = (component: Database, site: SiteName, name: string, context: DriverContext): Promise<MemberView> =>
  seenInTime(
    context.signal,
    () => askMember(component, site, name, context, { reach: { site }, signal: context.signal }),
    (): MemberView => ({ is: 'silent', why: `${name} does not answer in time` }),
  )

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

function seeStore(component: Database, site: SiteName, context: DriverContext): Promise<PatroniState['store']> {
  const { signal } = context
  const silent = (why: string): PatroniState['store'] => ({ is: 'silent', why })
  const look = async (): Promise<PatroniState['store']> => {
    const store = storeOf(component, site, context, { reach: { site }, deadline: STORE_WITHIN, signal })
    return { is: 'answering', ...(await store.read()) }
  }
  return seenInTime(
    signal,
    () => look().catch((error: unknown) => silent(asStandbyError(error).message)),
    () => silent('it does not answer in time'),
  )
}

/** What a member says that its store holds, where the store itself is silent or late; null: nothing. */
function askedInstead(
  component: Database,
  site: SiteName,
  context: DriverContext,
  { asked, store }: { readonly asked: AskedMembers; readonly store: Promise<PatroniState['store']> },
): Promise<{ readonly config: unknown; readonly history: unknown } | null> {
  const { signal } = context
  const look = async () => {
    const seen = await Promise.race([store, sleep(STORE_IS_LATE, null, { signal, ref: false })])
    const name = seen?.is === 'answering' ? null : await firstMember(asked, ({ is }) => is === 'answering')
    if (name === null) return null
    const asking = { reach: { site }, signal, deadline: STORED_WITHIN }
    const [config, history] = await Promise.all(
      (['config', 'history'] as const).map((path) => askStored(component, site, name, path, context, asking)),
    )
    return { config, history }
  }
  return seenInTime(signal, look, () => null)
}

/** A place among the sites: which one it follows, and for a cluster over all of them how its lock and its store are. */
function placeIn(
  component: Database,
  site: string,
  { store, config, voters }: Pick<PatroniState, 'store' | 'config'> & { readonly voters: readonly string[] | null },
): Pick<PatroniState, 'follows' | 'stretched'> {
  if (!isStretched(component.spec)) return { follows: followedIn(component, config) }
  const stretched = stretchedView(component, store, voters)
  const { lock } = stretched
  if (lock === null || lock.site === site) return { follows: null, stretched }
  return { follows: lock.site ?? 'elsewhere', stretched }
}

/** What the control files of silent members say: a rejoin is planned by it. */
async function readStopped(
  component: Database,
  site: SiteName,
  asked: AskedMembers,
  context: DriverContext,
): Promise<PatroniState['stopped']> {
  const begun = performance.now()
  const read = Object.entries(asked).map(async ([name, view]): Promise<[string, StoppedServer][]> => {
    const { is } = await view
    if (is === 'answering' || performance.now() - begun > KNOWN_WITHIN) return []
    const control = await seenInTime(
      context.signal,
      () => controlDataOf(hostOf(component, site, name, context, context.signal), CONTROL_FILE).catch(() => null),
      () => null,
    )
    if (control === null) return []
    return [[name, { state: control.state, timeline: control.timeline, checkpoint: control.checkpoint }]]
  })
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
/** `stretched`: there where one cluster spans the sites. */
type Heading = Pick<PatroniState, 'members'> & { readonly stretched?: StretchedView | true }
/** The member that follows another site for the whole cluster: by its own word, and in recovery. Pure. */
export const standbyLeaderIn = ({ members, stretched }: Heading) => {
  const following = Object.values(members).filter(isInRecovery)
  if (stretched === undefined) return following.find(({ role }) => role === 'standby_leader') ?? null
  // A cluster over all sites has no leader at a passive one: the member that has received the most stands for it.
  return following.toSorted((a, b) => b.receivedAt - a.receivedAt)[0] ?? null
}

/** The member by which its site is known: the one that writes, or that follows for all. Pure. */
export const headOf = (state: Heading): Member | null => writerIn(state) ?? standbyLeaderIn(state)

/** The members of a site that alone were asked, as its head is looked for among them. Pure. */
export const among = ({ spec }: Database, members: PatroniState['members']): Heading =>
  isStretched(spec) ? { members, stretched: true } : { members }

export function summarized(state: PatroniState): Extract<Observed<PatroniState>, { readonly kind: 'answering' }> {
  const members = Object.values(state.members)
  const running = answeringIn(state).filter((member) => isWritable(member) || isInRecovery(member))
  const role = roleOf(state)
  const timeline = headOf(state)?.timeline ?? null
  const call = { active: 'primary', passive: `follows ${state.follows}`, split: 'split', unknown: 'no primary' }[role]
  const quorum = state.stretched === undefined ? '' : `; ${stretchedText(state.stretched)}`
  return {
    kind: 'answering',
    state,
    role,
    health: healthOf(state),
    text: `${call}${timeline === null ? '' : `, timeline ${timeline}`}, ${running.length}/${members.length} running${quorum}`,
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
    ['lock', state.stretched?.lock?.holder],
  ]
  return named.flatMap(([name, value]): Fact[] => (value == null ? [] : [{ name, value, binds: 'exactly' }]))
}
