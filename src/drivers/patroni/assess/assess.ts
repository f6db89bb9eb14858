import type { Gap } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { formatLsn } from '../../../systems/postgres/wal.ts'
import { codes } from '../codes.ts'
import { partedAt } from '../history.ts'
import { headOf, type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { isInRecovery, isWritable } from '../rest-api.ts'
import { clusterNamed, type Database } from '../spec.ts'
import { findingsOfSite, stateAt } from './findings-of-site.ts'
import { blocks, type Purpose } from './severities.ts'

type States = StatesPerSite<PatroniState>

/** What is wrong with the clusters of all sites as they stand. Pure. */
export const assessStatus = (component: Database, states: States, around: Assessment): Finding[] => [
  ...around.stack.sites.flatMap(({ name }) => findingsOfSite(component, name, states, 'status', around)),
  ...around.stack.sites.flatMap(({ name }) => ofPair(component, states, name, 'status', around)),
]

/** What stands against a switchover: of both its ends, and as warnings of the other sites. Pure. */
export const assessSwitchover = (
  component: Database,
  states: States,
  { from, to }: Intent,
  around: Assessment,
): Finding[] => {
  const purposeOf = (site: string): Purpose => (site === from || site === to ? 'switchover' : 'third')
  return around.stack.sites.flatMap(({ name }) => [
    ...findingsOfSite(component, name, states, purposeOf(name), around),
    ...ofPair(component, states, name, purposeOf(name), around),
  ])
}

/** What stands against a failover: of the site that takes over, and of what the lost one still says. Pure. */
export const assessFailover = (component: Database, states: States, { to }: Intent, around: Assessment): Finding[] => [
  ...findingsOfSite(component, to, states, 'target', around),
  ...ofPair(component, states, to, 'target', around),
]

/** What stands against a rejoin: of the active site, and whether the former one can be reached. Pure. */
export function assessRejoin(component: Database, states: States, { from, to }: Intent, around: Assessment): Finding[] {
  const found = findingsOfSite(component, from, states, 'source-of-clone', around)
  const former = states[to]
  const cluster = clusterNamed(component, to)
  if (former?.kind !== 'answering')
    return [
      ...found,
      codes.finding('patroni-silent', component, {
        severity: 'blocker',
        site: to,
        what: `${cluster} cannot be seen: ${former?.why ?? 'it was not asked'}`,
        next: `Bring the hosts of ${to} and their store up first. Patroni may stay stopped.`,
        unanswered: true,
      }),
    ]
  const { state } = former
  if (state.store.is === 'silent')
    found.push(
      codes.finding('patroni-store-silent', component, {
        severity: 'blocker',
        site: to,
        what: `the store of ${cluster} does not answer: ${state.store.why}`,
        next: `Start the store of ${to}, and leave Patroni stopped: its configuration is written before it starts.`,
        unanswered: true,
      }),
    )
  const writers = Object.entries(state.members).flatMap(([name, member]) => (isWritable(member) ? [name] : []))
  if (writers.length > 0 || (state.follows === null && Object.keys(state.members).length > 0))
    found.push(
      codes.finding('patroni-former-primary', component, {
        severity: 'warning',
        site: to,
        what:
          writers.length > 0
            ? `${writers.join(' and ')} accepts writes: the site is stopped, what only it has is kept, and then it follows ${from}`
            : `${cluster} is configured as a primary: it is stopped, what only it has is kept, and then it follows ${from}`,
      }),
    )
  return found
}

/** What a passive site and the active one are to each other. */
function ofPair(
  component: Database,
  states: States,
  site: string,
  purpose: Purpose,
  { activeSite }: Pick<Assessment, 'activeSite'>,
): Finding[] {
  if (activeSite === null || site === activeSite) return []
  const [from, to] = [stateAt(states, activeSite), stateAt(states, site)]
  if (from === null || to === null) return []
  const [source, target] = [writerIn(from), headOf(to)]
  const say = (
    code: 'patroni-another-database' | 'patroni-versions-differ' | 'patroni-history-forked' | 'patroni-too-far-behind',
    what: string,
    next: string,
  ) => codes.finding(code, component, { severity: blocks(code, purpose), site, what, next })
  const found: Finding[] = []
  if (source?.systemId != null && target?.systemId != null && source.systemId !== target.systemId)
    return [
      say(
        'patroni-another-database',
        `${to.cluster} has the system identifier ${target.systemId}, ${from.cluster} has ${source.systemId}: it is no copy`,
        `Find out which of the two holds your data before anything is cloned.`,
      ),
    ]
  const [own, other] = [majorOf(source?.postgres), majorOf(target?.postgres)]
  if (own !== null && other !== null && own !== other)
    found.push(
      say(
        'patroni-versions-differ',
        `${to.cluster} runs PostgreSQL ${other}, ${from.cluster} runs ${own}`,
        'Physical replication needs the same major version.',
      ),
    )
  const forked = forkedText(from, to, source, target)
  if (forked !== null)
    found.push(
      say('patroni-history-forked', forked, `Have it follow again: standby failover plan --mode rejoin --to ${site}`),
    )
  if (purpose === 'third' && source !== null) found.push(...holdsShutdownUp(component, site, source.writesAt, from, to))
  const behind = lagOf(from, to)
  if (forked === null && behind !== null && behind > FARTHEST)
    found.push(
      say('patroni-too-far-behind', `${to.cluster} is ${behind} bytes of WAL behind`, 'Wait until it has caught up.'),
    )
  return found
}

/**
 * A server that shuts down in good order ends when every server that streams from it has received its last byte: a
 * third site that is far behind would keep users shut out for as long as it needs.
 */
function holdsShutdownUp(
  component: Database,
  site: string,
  writesAt: number,
  from: PatroniState,
  to: PatroniState,
): Finding[] {
  const leader = standbyLeaderIn(to)
  const missing = leader?.replication === 'streaming' ? writesAt - leader.receivedAt : 0
  if (missing <= FARTHEST) return []
  return [
    codes.finding('patroni-too-far-behind', component, {
      severity: 'blocker',
      site,
      what: `${to.cluster} has not received ${missing} bytes of WAL: the shutdown of ${from.cluster} waits until it has, with users shut out`,
      next: `Wait until it has caught up, or stop Patroni on ${site} until the move has ended.`,
    }),
  ]
}

/** Bytes that are replayed within the patience of a switchover, with users shut out. */
const FARTHEST = 64 * 1024 * 1024

/**
 * Why a passive site is no copy of the active one any more. A returning primary may be on the same number of a timeline
 * as the new one, and be called a standby leader that runs: only positions and histories show it (Patroni compares the
 * numbers, and rewinds nothing: rewind.py, patroni #890).
 */
function forkedText(
  from: PatroniState,
  to: PatroniState,
  source: ReturnType<typeof writerIn>,
  target: ReturnType<typeof headOf>,
): string | null {
  const parted = partedAt(to.history, from.history)
  if (parted !== null)
    return `${to.cluster} left timeline ${parted.timeline} at ${lsn(parted.at)}, ${from.cluster} at ${lsn(parted.otherAt)}: their histories parted`
  if (source === null || target === null) return null
  if (source.timeline !== null && target.timeline !== null && target.timeline > source.timeline)
    return `${to.cluster} is on timeline ${target.timeline}, ahead of timeline ${source.timeline} of ${from.cluster}`
  const at = isWritable(target) ? target.writesAt : target.receivedAt
  // One that streams may have received what the active site wrote between the two questions.
  return at !== null && at > source.writesAt && target.replication !== 'streaming'
    ? `${to.cluster} is at ${lsn(at)}, beyond ${lsn(source.writesAt)} of ${from.cluster}, and does not stream`
    : null
}

const lsn = (position: number): string => formatLsn(BigInt(position))

const majorOf = (version: number | null | undefined): number | null =>
  version == null ? null : Math.floor(version / 10_000)

/**
 * Bytes that a standby cluster has not replayed, by the absolute positions of both; null where one is not known. Pure.
 */
export function lagOf(from: PatroniState, to: PatroniState): number | null {
  const [source, target] = [writerIn(from), standbyLeaderIn(to)]
  return source === null || !isInRecovery(target ?? undefined) || target === null
    ? null
    : Math.max(0, source.writesAt - target.replayedAt)
}

/** How far each passive site is behind. Patroni itself says no lag of a standby leader. Pure. */
export function gapsOf(states: States, activeSite: string, now: string): Readonly<Record<string, Gap>> {
  const from = stateAt(states, activeSite)
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]): [string, Gap][] => {
      if (site === activeSite || seen.kind !== 'answering') return []
      const bytes = from === null ? null : lagOf(from, seen.state)
      return [[site, { segments: null, bytes, seconds: secondsBehind(bytes, seen.state, now) }]]
    }),
  )
}

/** Since the last commit that was replayed: an upper bound, because an active site without writes commits nothing. */
function secondsBehind(bytes: number | null, state: PatroniState, now: string): number | null {
  if (bytes === null) return null
  if (bytes === 0) return 0
  const at = Date.parse(standbyLeaderIn(state)?.replayedTime ?? '')
  return Number.isNaN(at) ? null : Math.max(0, Math.round((Date.parse(now) - at) / 1_000))
}
