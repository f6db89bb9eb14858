import type { Observed } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { FARTHEST_BYTES, toReplay, versionText } from './observe.ts'
import { relationTo, textOfBytes } from './relation.ts'
import { type Database, serverName } from './spec.ts'

type States = StatesPerSite<ServerState>
type Severity = Finding['severity']
type Say = (code: keyof typeof codes.table, severity: Severity, what: string, next?: string) => Finding

const sayAt =
  (component: Database, site: string): Say =>
  (code, severity, what, next) =>
    codes.finding(code, component, { severity, site, what, ...(next === undefined ? {} : { next }) })

/** What is wrong with the servers of all sites as they stand. Pure. */
export const assessStatus = (component: Database, states: States, around: Assessment): Finding[] =>
  around.stack.sites.flatMap(({ name }) => ofSite(component, name, states, 'warning', around))

/** What stands against a switchover. A site that is neither end of it can only be warned of. Pure. */
export function assessSwitchover(component: Database, states: States, intent: Intent, around: Assessment): Finding[] {
  const { demote, fence } = component.spec
  const found = around.stack.sites.flatMap(({ name }) =>
    ofSite(component, name, states, name === intent.from || name === intent.to ? 'blocker' : 'warning', around),
  )
  if (demote !== undefined || fence !== undefined) return found
  return [
    ...found,
    sayAt(component, intent.from)(
      'demotion-undeclared',
      'blocker',
      `neither demote nor fence is declared, so nothing keeps ${serverName(component, intent.from)} from taking writes`,
      'Declare one of them in the stack file.',
    ),
  ]
}

/**
 * What stands against a failover. Only the site that takes over is asked: the lost one can stand against nothing. Pure.
 */
export function assessFailover(component: Database, states: States, { to }: Intent): Finding[] {
  const seen = states[to]
  const say = sayAt(component, to)
  if (seen?.kind !== 'answering') return silent(component, to, seen, 'blocker')
  const { state } = seen
  const name = serverName(component, to)
  if (!state.inRecovery)
    return [
      say(
        'not-a-replica',
        'blocker',
        `${name} is a primary already, on timeline ${state.timeline}: it has a history of its own`,
        'Find out who promoted it.',
      ),
    ]
  return [...ofReplicaItself(component, to, state, 'blocker', 'warning'), ...ofRights(component, to, state, 'blocker')]
}

/** What stands against a rejoin: the active site must have the primary that is followed. Pure. */
export function assessRejoin(component: Database, states: States, { from, to }: Intent): Finding[] {
  const [active, former] = [states[from], states[to]]
  if (active?.kind !== 'answering') return silent(component, from, active, 'blocker')
  const found = [
    ...ofPrimary(component, from, active.state, 'warning'),
    ...(active.state.inRecovery ? [noPrimary(component, from, active.state, 'blocker')] : []),
  ]
  if (component.spec.rejoin === undefined && component.spec.follow === undefined)
    found.push(
      sayAt(component, to)(
        'demotion-undeclared',
        'blocker',
        `neither rejoin nor follow is declared, so nothing makes ${serverName(component, to)} a replica again`,
        'Declare one of them in the stack file.',
      ),
    )
  if (former?.kind !== 'answering') return found
  const relation = relationTo(active.state, former.state, 'at-once')
  if (relation.is === 'copy') return found
  const lacksRejoin = component.spec.rejoin === undefined
  if (relation.is === 'another-database')
    return [...found, anotherDatabase(component, to, active.state, former.state, 'blocker')]
  const next = lacksRejoin
    ? 'Declare rejoin in the stack file: to follow would never end, or would hide those rows.'
    : 'It is made anew, and what only it has goes. Save its data first, if you may need them.'
  const what = `${serverName(component, to)} has what the primary does not have: ${relation.why}${textOfBytes(relation.bytes)}`
  return [...found, sayAt(component, to)('history-forked', lacksRejoin ? 'blocker' : 'warning', what, next)]
}

/** What stands against opening the active site again. Pure. */
export function assessReopen(component: Database, states: States, { from }: Intent): Finding[] {
  const seen = states[from]
  if (seen?.kind !== 'answering') return silent(component, from, seen, 'warning')
  return seen.state.inRecovery ? [noPrimary(component, from, seen.state, 'blocker')] : []
}

function ofSite(
  component: Database,
  site: SiteName,
  states: States,
  severity: Severity,
  { activeSite }: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen?.kind !== 'answering') return silent(component, site, seen, severity)
  const { state } = seen
  if (site === activeSite)
    return [
      ...(state.inRecovery ? [noPrimary(component, site, state, severity)] : []),
      ...ofPrimary(component, site, state, severity),
    ]
  const active = activeSite === null ? undefined : states[activeSite]
  return [
    ...ofReplicaItself(component, site, state, severity, severity),
    ...ofRights(component, site, state, severity),
    ...(active?.kind === 'answering' ? ofPair(component, site, active.state, state, severity) : []),
  ]
}

function silent(
  component: Database,
  site: SiteName,
  seen: Observed<ServerState> | undefined,
  severity: Severity,
): Finding[] {
  if (seen === undefined || seen.kind === 'answering') return []
  return [
    codes.finding('database-silent', component, {
      severity,
      site,
      what: `${serverName(component, site)} cannot be asked: ${seen.why}`,
      next: 'Look at the server, at the way to it, and at the role and the certificates in the stack file.',
      unanswered: true,
    }),
  ]
}

const noPrimary = (component: Database, site: string, state: ServerState, severity: Severity): Finding =>
  sayAt(component, site)(
    'no-primary-there',
    severity,
    `${serverName(component, site)} is in recovery, on timeline ${state.timeline}: it takes no write`,
    'Find out who demoted it, or finish the move that was begun.',
  )

function ofPrimary(component: Database, site: string, state: ServerState, severity: Severity): Finding[] {
  const say = sayAt(component, site)
  const name = serverName(component, site)
  const stuck = state.slots.filter(({ active, walStatus }) => !active && walStatus !== 'lost')
  const awaited = state.settings.synchronous_standby_names ?? ''
  const hasSynchronous = state.senders.some(({ sync }) => sync === 'sync' || sync === 'quorum')
  return [
    ...(state.archiver.failing
      ? [
          say(
            'archiving-failing',
            'warning',
            `${name} cannot archive its WAL`,
            'Look at archive_command and its store.',
          ),
        ]
      : []),
    ...(stuck.length > 0
      ? [
          say(
            'slot-stuck',
            'warning',
            `${name} keeps WAL for ${stuck.map((slot) => slot.name).join(', ')}, which no replica reads`,
            'Bring its reader back, or drop the slot, before the volume is full.',
          ),
        ]
      : []),
    ...(awaited !== '' && !hasSynchronous && state.may.monitor && !state.inRecovery
      ? [
          say(
            'synchronous-without-standby',
            severity,
            `${name} waits for synchronous standbys (${awaited}) and has none: no commit ends`,
            'Bring the standby back, or take it out of synchronous_standby_names.',
          ),
        ]
      : []),
  ]
}

/** What of a replica concerns it alone. */
function ofReplicaItself(
  component: Database,
  site: string,
  state: ServerState,
  severity: Severity,
  delaying: Severity,
): Finding[] {
  const say = sayAt(component, site)
  const name = serverName(component, site)
  const delay = state.settings.recovery_min_apply_delay ?? '0'
  return [
    ...(state.replayPaused
      ? [say('replay-paused', severity, `${name} does not replay: it is paused`, 'SELECT pg_wal_replay_resume();')]
      : []),
    ...(delay !== '0' && state.inRecovery
      ? [
          say(
            'delayed-replica',
            delaying,
            `${name} applies with a delay of ${delay} ms (recovery_min_apply_delay)`,
            'Set it to 0 on the replica that takes over.',
          ),
        ]
      : []),
    ...(toReplay(state) > FARTHEST_BYTES
      ? [
          say(
            'too-far-behind',
            delaying,
            `${name} has received ${toReplay(state)} bytes that it has not replayed`,
            'Wait until it has caught up.',
          ),
        ]
      : []),
  ]
}

function ofRights(component: Database, site: string, state: ServerState, severity: Severity): Finding[] {
  const say = sayAt(component, site)
  const { user, promote } = component.spec
  return [
    ...(promote === 'sql' && !state.may.promote
      ? [
          say(
            'rights-missing',
            severity,
            `${user} may not call pg_promote() on ${serverName(component, site)}, and promote: sql is declared`,
            `GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO ${user};  on the primary`,
          ),
        ]
      : []),
    ...(state.may.monitor
      ? []
      : [
          say(
            'rights-missing',
            severity,
            `${user} is no member of pg_monitor on ${serverName(component, site)}: it does not see what a replica follows`,
            `GRANT pg_monitor TO ${user};  on the primary`,
          ),
        ]),
  ]
}

/** A replica, against the primary of the active site. */
function ofPair(
  component: Database,
  site: string,
  active: ServerState,
  state: ServerState,
  severity: Severity,
): Finding[] {
  if (active.inRecovery) return []
  const say = sayAt(component, site)
  const name = serverName(component, site)
  const relation = relationTo(active, state, 'at-once')
  if (relation.is === 'another-database') return [anotherDatabase(component, site, active, state, severity)]
  if (relation.is === 'diverged')
    return [
      say(
        state.inRecovery ? 'history-forked' : 'two-primaries',
        severity,
        `${name} has what the primary does not have: ${relation.why}${textOfBytes(relation.bytes)}`,
        `Keep it away from users. It must be made anew: standby failover plan --mode rejoin --to ${site}`,
      ),
    ]
  return [
    ...ofVersions(active, state, name, severity, say),
    ...ofSettings(active, state, name, severity, say),
    ...(relation.streams || !state.may.monitor
      ? []
      : [
          say(
            'not-streaming',
            severity,
            `${name} does not stream (${state.receiver?.status ?? 'it has no connection'})`,
            'Look at its primary_conninfo, at pg_hba.conf of the primary, and at the way between them.',
          ),
        ]),
    ...behind(active, state, name, severity, say),
  ]
}

const anotherDatabase = (
  component: Database,
  site: string,
  active: ServerState,
  state: ServerState,
  severity: Severity,
): Finding =>
  sayAt(component, site)(
    'another-database',
    severity,
    `${serverName(component, site)} has the system id ${state.systemId}, the primary has ${active.systemId}: it is no copy`,
    'Find out which of the two holds your data before anything is made anew.',
  )

function behind(active: ServerState, state: ServerState, name: string, severity: Severity, say: Say): Finding[] {
  const [ahead, replayed] = [parseLsn(active.currentLsn), parseLsn(state.replayLsn)]
  if (ahead === null || replayed === null || ahead - replayed <= BigInt(FARTHEST_BYTES)) return []
  return [
    say('too-far-behind', severity, `${name} is ${ahead - replayed} bytes behind`, 'Wait until it has caught up.'),
  ]
}

function ofVersions(active: ServerState, state: ServerState, name: string, severity: Severity, say: Say): Finding[] {
  const [theirs, ours] = [active.version, state.version]
  if (theirs === ours) return []
  const texts = `${name} runs ${versionText(ours)}, the primary ${versionText(theirs)}`
  if (Math.floor(theirs / 10_000) !== Math.floor(ours / 10_000))
    return [say('database-version-differs', severity, texts, 'One cannot follow the other: bring both to one version.')]
  return ours < theirs
    ? [say('database-version-older', 'warning', texts, 'Update the passive site first, then move, then the other one.')]
    : []
}

/** PostgreSQL pauses the replay of a replica whose settings are lower than those of its primary. */
const MUST_REACH = [
  'max_connections',
  'max_wal_senders',
  'max_worker_processes',
  'max_prepared_transactions',
  'max_locks_per_transaction',
]

const ofSettings = (active: ServerState, state: ServerState, name: string, severity: Severity, say: Say): Finding[] =>
  MUST_REACH.flatMap((setting) => {
    const [theirs, ours] = [Number(active.settings[setting]), Number(state.settings[setting])]
    return ours < theirs
      ? [
          say(
            'replica-setting-lower',
            severity,
            `${setting} is ${ours} on ${name} and ${theirs} on the primary`,
            'Raise it on the replica, and restart that.',
          ),
        ]
      : []
  })
