import { seenInTime } from '../../clients/seen-in-time.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Observed, Summary } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type NewestDump, newestInStore } from '../../systems/redis/newest-dump.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import {
  dumpFolder,
  type Group,
  groupNamed,
  nameOfAddress,
  redisAt,
  redisNamesOf,
  redisOf,
  sentinelNamesOf,
} from './spec.ts'
import {
  REDIS_COMMANDS,
  type RedisServer,
  type RedisView,
  redisIn,
  type Sentinel,
  type SentinelView,
  sentinelCommands,
  sentinelIn,
} from './views.ts'
import { type Asking, ask } from './wire.ts'

/** What is true of the servers of one site. */
export interface GroupState {
  readonly group: string
  readonly redis: Readonly<Record<string, RedisView>>
  readonly sentinels: Readonly<Record<string, SentinelView>>
  /** The newest dump in the store of the site; absent where no dumps are declared. */
  readonly dump?: NewestDump
}

/** One server that hangs must not make its site look silent. */
const LOOK: Milliseconds = seconds(2.5)

/** Asks every Redis and every Sentinel of a site, side by side. */
export async function observeGroup(
  component: Group,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<GroupState>> {
  const asking = { context, signal: context.signal, deadline: LOOK }
  const [redis, sentinels, dump] = await Promise.all([
    each(redisNamesOf(component, site), (name) =>
      inTime(name, () => lookAtRedis(component, site, name, asking), asking),
    ),
    each(sentinelNamesOf(component, site), (name) =>
      inTime(name, () => lookAtSentinel(component, site, name, asking), asking),
    ),
    newestDumpOf(component, site, context),
  ])
  const views = [...Object.values(redis), ...Object.values(sentinels)]
  if (views.every(({ is }) => is === 'silent'))
    return { kind: 'silent', why: views.flatMap((one) => (one.is === 'silent' ? [one.why] : [])).join('; ') }
  return summarized(component, site, { group: groupNamed(component, site), redis, sentinels, ...dump })
}

async function newestDumpOf(
  component: Group,
  site: SiteName,
  context: DriverContext,
): Promise<Pick<GroupState, 'dump'>> {
  const { dumps } = component.spec
  return dumps === undefined
    ? {}
    : { dump: await newestInStore({ component, store: dumps.store, folder: dumpFolder(component), site }, context) }
}

/** Every declared Redis of a site; one that does not answer is a value. */
export const askAllRedis = (component: Group, site: string, asking: Asking): Promise<GroupState['redis']> =>
  each(redisNamesOf(component, site), (name) => lookAtRedis(component, site, name, asking))
/** Every declared Sentinel of a site; one that does not answer is a value. */
export const askAllSentinels = (component: Group, site: string, asking: Asking): Promise<GroupState['sentinels']> =>
  each(sentinelNamesOf(component, site), (name) => lookAtSentinel(component, site, name, asking))

async function each<View>(
  names: readonly string[],
  look: (name: string) => Promise<View>,
): Promise<Readonly<Record<string, View>>> {
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await look(name)] as const)))
}

/** A server that says nothing until the observation ends hides no other one. */
const inTime = <View>(name: string, look: () => Promise<View | Silent>, { signal }: Asking): Promise<View | Silent> =>
  seenInTime(signal, look, () => ({ is: 'silent', why: `${name} does not answer in time` }))

const lookAtRedis = (component: Group, site: string, name: string, asking: Asking): Promise<RedisView> =>
  viewOf(() => askRedis(component, site, name, asking), asking)
const lookAtSentinel = (component: Group, site: string, name: string, asking: Asking): Promise<SentinelView> =>
  viewOf(() => askSentinel(component, site, name, asking), asking)

type Silent = { readonly is: 'silent'; readonly why: string }

export async function askRedis(component: Group, site: string, name: string, asking: Asking): Promise<RedisView> {
  const replies = await ask(component, { kind: 'redis', site, name }, REDIS_COMMANDS, asking)
  return redisIn(replies) ?? { is: 'silent', why: `${name} answers as no Redis does: ${replies[3]?.slice(0, 80)}` }
}
export async function askSentinel(component: Group, site: string, name: string, asking: Asking): Promise<SentinelView> {
  const { group } = component.spec
  const replies = await ask(component, { kind: 'sentinel', site, name }, sentinelCommands(group), asking)
  return sentinelIn(replies) ?? { is: 'silent', why: `${name} does not watch ${group}: ${replies[0]?.slice(0, 80)}` }
}

async function viewOf<View>(look: () => Promise<View | Silent>, { signal }: Asking): Promise<View | Silent> {
  try {
    return await look()
  } catch (error) {
    signal.throwIfAborted()
    return { is: 'silent', why: asStandbyError(error).message }
  }
}

/** The Redis servers of a site that answer, by name. Pure. */
export const answeringIn = ({ redis }: Pick<GroupState, 'redis'>): (readonly [name: string, server: RedisServer])[] =>
  Object.entries(redis).flatMap(([name, one]) => (one.is === 'answering' ? [[name, one] as const] : []))
export const mastersIn = (state: Pick<GroupState, 'redis'>): (readonly [name: string, server: RedisServer])[] =>
  answeringIn(state).filter(([, { role }]) => role === 'master')
/** The one master of a site; null where none or several are. Pure. */
export function masterIn(state: Pick<GroupState, 'redis'>): readonly [name: string, server: RedisServer] | null {
  const [first, ...more] = mastersIn(state)
  return more.length > 0 ? null : (first ?? null)
}
/** The replica of a site that has received the most. Pure. */
export const bestReplicaIn = (state: Pick<GroupState, 'redis'>): readonly [name: string, server: RedisServer] | null =>
  answeringIn(state)
    .filter(([, { role, loading }]) => role === 'replica' && !loading)
    .sort(([, a], [, b]) => Number(b.linked) - Number(a.linked) || b.offset - a.offset)[0] ?? null
export const sentinelsIn = ({ sentinels }: Pick<GroupState, 'sentinels'>): (readonly [string, Sentinel])[] =>
  Object.entries(sentinels).flatMap(([name, one]) => (one.is === 'answering' ? [[name, one] as const] : []))

export function summarized(
  component: Group,
  site: string,
  state: GroupState,
): Extract<Observed<GroupState>, { readonly kind: 'answering' }> {
  const [redis, sentinels] = [answeringIn(state), sentinelsIn(state)]
  const role = roleOf(state)
  const [, replica] = bestReplicaIn(state) ?? []
  const following = replica?.follows == null ? 'no master' : `follows ${nameOfAddress(component, replica.follows)}`
  const [masterName] = masterIn(state) ?? []
  const call = { active: `master ${masterName}`, passive: following, split: 'two masters', unknown: 'no Redis' }[role]
  const counts = `${redis.length}/${redisNamesOf(component, site).length} Redis, ${sentinels.length}/${sentinelNamesOf(component, site).length} Sentinels`
  return {
    kind: 'answering',
    state,
    role,
    health: healthOf(state),
    text: `${call}, ${counts}`,
    ...(state.dump == null || state.dump === 'unreadable' ? {} : { lastBackup: state.dump.takenAt }),
    facts: factsOf(component, site, state),
  }
}

function roleOf(state: GroupState): Summary['role'] {
  const masters = mastersIn(state).length
  if (masters > 0) return masters === 1 ? 'active' : 'split'
  return bestReplicaIn(state) === null ? 'unknown' : 'passive'
}

function healthOf(state: GroupState): Summary['health'] {
  const redis = answeringIn(state)
  if (redis.length === 0) return 'down'
  const all = [...Object.values(state.redis), ...Object.values(state.sentinels)]
  const well =
    all.every(({ is }) => is === 'answering') &&
    redis.every(([, { role, linked, loading }]) => !loading && (role === 'master' || linked))
  return well ? 'healthy' : 'degraded'
}

/** A plan holds while none of these changes: a failover by Sentinel inside the active site gives it another master. */
function factsOf(component: Group, site: string, state: GroupState): Fact[] {
  const master = masterIn(state)
  if (master !== null) return [{ name: 'master', value: master[0], binds: 'exactly' }]
  // One that follows its neighbour follows the site of the neighbour's own master.
  const followed = new Set(
    answeringIn(state)
      .flatMap(([, { follows }]) => (follows === null ? [] : [redisAt(component, follows)?.site ?? 'elsewhere']))
      .filter((one) => one !== site),
  )
  return followed.size === 0 ? [] : [{ name: 'follows', value: [...followed].sort().join(' and '), binds: 'exactly' }]
}

/** Which replicas of all sites are declared: their addresses. */
export const declaredAddresses = (
  component: Group,
): { readonly site: string; readonly name: string; readonly address: string }[] =>
  Object.keys(component.spec.sites).flatMap((site) =>
    redisNamesOf(component, site).map((name) => ({ site, name, address: redisOf(component, site, name).address })),
  )
