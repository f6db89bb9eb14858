import type { Finding } from '../../../domain/plan.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import type { FindingText } from '../../../driver/codes.ts'
import { codes } from '../codes.ts'
import { answeringIn, bestReplicaIn, type GroupState, masterIn, mastersIn, sentinelsIn } from '../observe.ts'
import {
  type Group,
  groupNamed,
  groupSiteOf,
  minReplicasOf,
  nameOfAddress,
  priorityIn,
  redisAt,
  redisOf,
} from '../spec.ts'
import { isMoving, type RedisServer } from '../views.ts'
import { type Purpose, severityOf } from './severities.ts'

export type States = StatesPerSite<GroupState>

export const stateAt = (states: States, site: string): GroupState | null => {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}

export type Say = (
  code: keyof typeof codes.code,
  what: string,
  next: string,
  more?: Pick<FindingText, 'unanswered'>,
) => Finding
export const sayOf =
  (component: Group, site: string, purpose: Purpose): Say =>
  (code, what, next, more = {}) =>
    codes.finding(code, component, { severity: severityOf(code, purpose), site, what, next, ...more })

/** What is wrong with the servers of one site as they stand, for one purpose. Pure. */
export function findingsOfSite(
  component: Group,
  site: string,
  states: States,
  purpose: Purpose,
  activeSite: string | null,
): Finding[] {
  const seen = states[site]
  const say = sayOf(component, site, purpose)
  if (seen?.kind !== 'answering')
    return [
      say(
        'sentinel-redis-silent',
        `${groupNamed(component, site)} cannot be seen: ${seen?.why ?? 'it was not asked'}`,
        `Look at Redis and at the hosts of ${site}.`,
        { unanswered: true },
      ),
    ]
  const { state } = seen
  return [
    ...ofRedis(component, site, state, say),
    ...ofRole(component, site, state, activeSite, say),
    ...ofPriorities(component, site, state, activeSite, say),
    ...ofSentinels(component, site, state, states, say),
  ]
}

function ofRedis(component: Group, site: string, state: GroupState, say: Say): Finding[] {
  const answering = answeringIn(state)
  const silent = Object.entries(state.redis).flatMap(([name, one]) =>
    one.is === 'silent' ? [{ name, why: one.why }] : [],
  )
  if (answering.length === 0)
    return [
      say(
        'sentinel-redis-silent',
        `no Redis of ${site} answers: ${silent.map(({ why }) => why).join('; ')}`,
        `Look at Redis on the hosts of ${site}.`,
        { unanswered: true },
      ),
    ]
  return [
    ...silent.map(({ name, why }) =>
      say(
        'sentinel-redis-member-silent',
        `${name} does not answer: ${why}`,
        `Look at Redis on ${redisOf(component, site, name).host}.`,
        { unanswered: true },
      ),
    ),
    ...answering.flatMap(([name, server]) => ofAnswering(component, site, name, server, say)),
  ]
}

function ofAnswering(component: Group, site: string, name: string, server: RedisServer, say: Say): Finding[] {
  const { role, linked, minReplicasToWrite, minReplicasMaxLag, appendOnly, saves, follows, filling } = server
  return [
    ...(minReplicasMaxLag === 0
      ? [
          say(
            'sentinel-cannot-close',
            `${name} has min-replicas-max-lag 0: it accepts writes whatever min-replicas-to-write says, and a move could not close it`,
            `On its host: redis-cli CONFIG SET min-replicas-max-lag 10, and CONFIG REWRITE`,
          ),
        ]
      : []),
    ...(minReplicasToWrite > minReplicasOf(component, site, name)
      ? [
          say(
            'sentinel-left-closed',
            `${name} demands ${minReplicasToWrite} replicas for a write, and ${minReplicasOf(component, site, name)} are declared: a move that was interrupted closed it`,
            `Finish or take back the run; or, where none is open, on its host: redis-cli CONFIG SET min-replicas-to-write ${minReplicasOf(component, site, name)}`,
          ),
        ]
      : []),
    ...(role === 'replica' && !linked
      ? [
          say(
            'sentinel-link-down',
            `${name} is not connected to ${nameOfAddress(component, follows ?? '')}${fillingSaid(filling)}`,
            `Look at the log of ${name}; masterauth and the network to its master.`,
          ),
        ]
      : []),
    ...(role === 'master' && !appendOnly && !saves
      ? [
          say(
            'sentinel-empties-replicas',
            `${name} keeps nothing on disk: restarted before Sentinel has noticed, it comes back empty and empties every replica`,
            'Set appendonly yes, or do not let its unit restart it (Restart=no).',
          ),
        ]
      : []),
  ]
}

function ofRole(component: Group, site: string, state: GroupState, activeSite: string | null, say: Say): Finding[] {
  const masters = mastersIn(state)
  const names = masters.map(([name]) => name).join(' and ')
  if (masters.length > 1)
    return [
      say('sentinel-two-masters', `${names} of ${site} accept writes at the same time`, 'Stop all but one at once.'),
    ]
  if (activeSite === null) return []
  if (activeSite === site)
    return masters.length === 0 && answeringIn(state).length > 0
      ? [
          say(
            'sentinel-no-master',
            `no Redis of ${site} is a master, and ${site} is the active site`,
            `Look at what Sentinel says: redis-cli -p 26379 SENTINEL MASTER ${component.spec.group}`,
          ),
        ]
      : []
  if (masters.length > 0)
    return [
      say(
        'sentinel-passive-master',
        `${names} of ${site} accepts writes, and the witness says that ${activeSite} is active`,
        `Have the site follow: standby failover plan --mode rejoin --to ${site}`,
      ),
    ]
  return answeringIn(state).flatMap(([name, { follows }]) => {
    const followed = follows === null ? null : redisAt(component, follows)
    return followed !== null && (followed.site === activeSite || followed.site === site)
      ? []
      : [
          say(
            'sentinel-follows-another',
            `${name} follows ${nameOfAddress(component, follows ?? 'no master')}, which is none of ${activeSite}`,
            `Have it follow: standby failover plan --mode rejoin --to ${site}`,
          ),
        ]
  })
}

function ofPriorities(
  component: Group,
  site: string,
  state: GroupState,
  activeSite: string | null,
  say: Say,
): Finding[] {
  if (activeSite === null) return []
  const answering = answeringIn(state)
  if (site !== activeSite) {
    if (groupSiteOf(component, site).automatic === true) return []
    const winning = answering.filter(([, { priority }]) => priority !== 0)
    return winning.length === 0
      ? []
      : [
          say(
            'sentinel-passive-may-win',
            `${winning.map(([name, { priority }]) => `${name} (replica-priority ${priority})`).join(' and ')} of ${site}: Sentinel may move the master there by itself, and traffic, database and application would stay on ${activeSite}`,
            'CONFIG SET replica-priority 0 and CONFIG REWRITE there; or declare `automatic: true` for the site.',
          ),
        ]
  }
  const replicas = answering.filter(([, { role }]) => role === 'replica')
  return replicas.length > 0 && replicas.every(([, { priority }]) => priority === 0)
    ? [
        say(
          'sentinel-active-may-not-win',
          `every replica of ${site} has replica-priority 0: Sentinel would promote none of them`,
          `CONFIG SET replica-priority ${priorityIn(component, site, replicas[0]?.[0] ?? '', site)} and CONFIG REWRITE there.`,
        ),
      ]
    : []
}

function ofSentinels(component: Group, site: string, state: GroupState, states: States, say: Say): Finding[] {
  const answering = sentinelsIn(state)
  const { group } = component.spec
  const declared = Object.keys(state.sentinels)
  const silent = Object.entries(state.sentinels).flatMap(([name, one]) =>
    one.is === 'silent'
      ? [
          say(
            'sentinel-member-silent',
            `${name} does not answer: ${one.why}`,
            `Look at the Sentinel on ${groupSiteOf(component, site).sentinels[name]?.host}.`,
            { unanswered: true },
          ),
        ]
      : [],
  )
  if (declared.length > 0 && answering.length === 0)
    return [
      ...silent,
      say('sentinel-silent', `no Sentinel of ${site} answers`, `Look at the Sentinels of ${site}.`, {
        unanswered: true,
      }),
    ]
  const master = onlyMaster(states)
  return [
    ...silent,
    ...answering.flatMap(([name, sentinel]) => [
      ...(isMoving(sentinel)
        ? [
            say(
              'sentinel-failover-runs',
              `${name} carries out a failover (${sentinel.failoverState ?? 'in progress'})`,
              'Wait until it has ended, and plan again.',
            ),
          ]
        : []),
      ...(sentinel.noQuorum === null
        ? []
        : [
            say(
              'sentinel-no-quorum',
              `${name}: ${sentinel.noQuorum}`,
              'Bring the other Sentinels back. Sentinels that are gone for good are counted until SENTINEL RESET on each of the others.',
            ),
          ]),
      ...(master !== null && sentinel.master !== master.address && !isMoving(sentinel)
        ? [
            say(
              'sentinel-names-another',
              `${name} takes ${nameOfAddress(component, sentinel.master)} for the master, and ${master.name} is the one: applications that ask it are led astray`,
              `It mends itself within a minute where another Sentinel has promoted ${master.name}. Otherwise a rejoin leads it; or, while no other replica has a replica-priority above 0, on its host: SENTINEL FAILOVER ${group}`,
            ),
          ]
        : []),
      ...Object.entries(states).flatMap(([other, seen]) =>
        seen.kind !== 'answering'
          ? []
          : answeringIn(seen.state).flatMap(([replica, { role, follows }]) => {
              const { address } = redisOf(component, other, replica)
              return role === 'master' ||
                sentinel.master === address ||
                sentinel.replicas.some((known) => known.address === address) ||
                // It has been a replica for less than the 10 s after which Sentinels ask anew.
                follows !== sentinel.master
                ? []
                : [
                    say(
                      'sentinel-replica-unknown',
                      `${name} does not know ${replica} of ${other} (${address}): it could not promote it`,
                      'Wait 10 s; then look at replica-announce-ip of that Redis, and at the network between the sites.',
                    ),
                  ]
            }),
      ),
    ]),
  ]

  function onlyMaster(all: States): { readonly name: string; readonly address: string } | null {
    const masters = Object.entries(all).flatMap(([one, seen]) =>
      seen.kind === 'answering'
        ? mastersIn(seen.state).map(([name]) => ({ name, address: redisOf(component, one, name).address }))
        : [],
    )
    return masters.length === 1 ? (masters[0] ?? null) : null
  }
}

/** What a passive site is to the master of the active one. Pure. */
export function findingsOfPair(
  component: Group,
  states: States,
  site: string,
  purpose: Purpose,
  activeSite: string | null,
): Finding[] {
  if (activeSite === null || site === activeSite) return []
  const [from, to] = [stateAt(states, activeSite), stateAt(states, site)]
  const source = from === null ? null : masterIn(from)
  const target = to === null ? null : bestReplicaIn(to)
  if (source === null || target === null) return []
  const say = sayOf(component, site, purpose)
  const [[sourceName, master], [targetName, replica]] = [source, target]
  const found: Finding[] = []
  if (replica.linked && replica.history !== master.history)
    found.push(
      say(
        'sentinel-history-differs',
        `${targetName} has the history ${replica.history.slice(0, 8)} of replication, ${sourceName} has ${master.history.slice(0, 8)}`,
        'Wait until it is connected to the master; a full copy takes its time.',
      ),
    )
  const behind = master.offset - replica.offset
  if (replica.linked && behind > FARTHEST)
    found.push(
      say(
        'sentinel-too-far-behind',
        `${targetName} is ${behind} bytes behind ${sourceName}`,
        'Wait until it has caught up.',
      ),
    )
  if (master.version !== replica.version)
    found.push(
      say(
        'sentinel-versions-differ',
        `${targetName} runs Redis ${replica.version}, ${sourceName} runs ${master.version}: an older one cannot load a full copy of a newer one`,
        'Update the older one before a move.',
      ),
    )
  if (master.appendOnly !== replica.appendOnly)
    found.push(
      say(
        'sentinel-persistence-differs',
        `${sourceName} has appendonly ${master.appendOnly ? 'yes' : 'no'}, ${targetName} has ${replica.appendOnly ? 'yes' : 'no'}`,
        'With appendonly yes a server starts from its AOF and ignores a dump.rdb beside it. Configure both alike.',
      ),
    )
  return found
}

/** Bytes that are received within seconds, with writes refused. */
const FARTHEST = 16 * 1024 * 1024

const fillingSaid = (filling: boolean): string => (filling ? ': it is being filled' : '')
