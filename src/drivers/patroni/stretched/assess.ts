import type { Finding, Intent } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { ofMembers, ofStore, stateAt, unseen } from '../assess/findings-of-site.ts'
import { blocks, type Purpose } from '../assess/severities.ts'
import { codes } from '../codes.ts'
import { type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { type Database, unitOf } from '../spec.ts'
import { heldLock, isPaused, takenOver, writersOver } from './taken-over.ts'

type States = StatesPerSite<PatroniState>

/** What is wrong with a cluster over all sites as it stands. Pure. */
export const stretchedStatus = (component: Database, states: States, { stack }: Assessment): Finding[] => [
  ...stack.sites.flatMap(({ name }) => ofSite(component, name, states, 'status')),
  ...ofCluster(component, states, 'status'),
]

/** What stands against handing the lock over to a member of the target. Pure. */
export const assessStretchedSwitchover = (component: Database, states: States, intent: Intent): Finding[] => [
  ...[intent.from, intent.to].flatMap((site) => ofSite(component, site, states, 'switchover')),
  ...ofCluster(component, states, 'switchover'),
  ...ofSource(component, states, intent),
]

/**
 * What stands against a failover or a follow: the database must have moved already. Standby cannot promote what Patroni
 * elects. Pure.
 */
export function assessStretchedFailover(component: Database, states: States, { from, to }: Intent): Finding[] {
  const found = ofSite(component, to, states, 'target').filter(({ code }) => code !== codes.code['patroni-unlocked'])
  const taken = takenOver(component, states)
  if (taken?.site === to) return found
  const lock = heldLock(states)
  const where = lock === null ? 'no member is seen to hold its lock' : `${lock.holder} on ${lock.site} holds its lock`
  return [
    ...found,
    codes.finding('patroni-moves-by-itself', component, {
      severity: 'blocker',
      site: to,
      what: `${component.spec.scope} spans the sites, and ${where}: Patroni elects a member by itself as soon as the majority of the store has ended the lock of ${from}`,
      next: `Wait until a member on ${to} leads (patronictl list ${component.spec.scope}). Then: standby failover plan --mode follow --to ${to}`,
      unanswered: true,
    }),
  ]
}

/** A rejoin changes nothing of it: Patroni has a returned member follow by itself. Pure. */
export const assessStretchedRejoin = (component: Database, states: States, { from }: Intent): Finding[] =>
  ofSite(component, from, states, 'source-of-clone')

function ofSite(component: Database, site: string, states: States, purpose: Purpose): Finding[] {
  const seen = states[site]
  if (seen?.kind !== 'answering') return [unseen(component, site, seen?.why, purpose)]
  const { state } = seen
  return [
    ...ofMembers(component, site, state, purpose),
    ...ofStore(component, site, state, purpose),
    ...ofReplication(component, site, state, purpose),
  ]
}

function ofReplication(component: Database, site: string, state: PatroniState, purpose: Purpose): Finding[] {
  if (writerIn(state) !== null) return []
  const replica = standbyLeaderIn(state)
  if (replica === null)
    return [
      codes.finding('patroni-unlocked', component, {
        severity: blocks('patroni-unlocked', purpose),
        site,
        what: `no PostgreSQL of ${state.cluster} runs: nothing there could take over`,
        next: `Look at the unit ${unitOf(component)} on the hosts of ${site}.`,
      }),
    ]
  if (replica.replication === 'streaming') return []
  return [
    codes.finding('patroni-not-streaming', component, {
      severity: blocks('patroni-not-streaming', purpose),
      site,
      what: `${replica.name} on ${site} does not stream (${replica.replication ?? replica.state})`,
      next: `Look at the log of PostgreSQL on ${site}, and at the way from there to the primary.`,
    }),
  ]
}

/** What is true of the cluster as a whole. */
function ofCluster(component: Database, states: States, purpose: Purpose): Finding[] {
  const { scope } = component.spec
  const say = (
    code: 'patroni-split' | 'patroni-unlocked' | 'patroni-paused' | 'patroni-voters-uneven' | 'patroni-asynchronous',
    what: string,
    next: string,
    site?: string,
  ) =>
    codes.finding(code, component, {
      severity: blocks(code, purpose),
      ...(site === undefined ? {} : { site }),
      what,
      next,
    })
  const writers = writersOver(states)
  const lock = heldLock(states)
  const named = writers.map(({ site, name }) => `${name} (${site})`)
  const views = Object.keys(states).flatMap((site) => stateAt(states, site)?.stretched ?? [])
  return [
    ...(writers.length > 1
      ? [
          say(
            'patroni-split',
            `${named.join(' and ')} accept writes at the same time${lock === null ? '' : `, and ${lock.holder} holds the lock`}`,
            'Patroni shuts the one without the lock within its ttl. If it does not: stop Patroni and PostgreSQL there at once.',
          ),
        ]
      : []),
    ...(lock === null && views.length > 0
      ? [
          say(
            'patroni-unlocked',
            `no member of ${scope} is seen to hold the lock: Patroni elects one, or its store has no majority`,
            `patronictl list ${scope}; look at the servers of the store.`,
          ),
        ]
      : []),
    ...(isPaused(states)
      ? [
          say(
            'patroni-paused',
            `${scope} is paused: it fails over by no means, and its lock shuts nothing`,
            `patronictl resume ${scope}`,
          ),
        ]
      : []),
    ...unevenVoters(views[0]?.voters ?? null).map(({ site, count, all }) =>
      say(
        'patroni-voters-uneven',
        `${site} holds ${count} of the ${all} servers that vote in the store: when it is lost, every PostgreSQL of ${scope} becomes read-only`,
        'Spread the servers of the store, so that no site holds half of them.',
        site === ELSEWHERE ? undefined : site,
      ),
    ),
    ...(views[0]?.synchronous === 'off'
      ? [
          say(
            'patroni-asynchronous',
            `${scope} replicates asynchronously: a failover by itself may lose what was acknowledged last`,
            `patronictl edit-config ${scope} --set synchronous_mode=true`,
          ),
        ]
      : []),
  ]
}

const ELSEWHERE = 'elsewhere'

/** The sites that hold half of the servers that vote, or more. Pure. */
export function unevenVoters(
  voters: Readonly<Record<string, number>> | null,
): { readonly site: string; readonly count: number; readonly all: number }[] {
  const counts = Object.entries(voters ?? {})
  const all = counts.reduce((sum, [, count]) => sum + count, 0)
  return counts.filter(([, count]) => count * 2 >= all).map(([site, count]) => ({ site, count, all }))
}

/** The lock must be where the stack is: what has moved by itself is followed, and not moved. */
function ofSource(component: Database, states: States, { from, to }: Intent): Finding[] {
  const lock = heldLock(states)
  if (lock === null || lock.site === from) return []
  return [
    codes.finding('patroni-lock-elsewhere', component, {
      severity: 'blocker',
      site: lock.site,
      what: `${lock.holder} on ${lock.site} holds the lock, and not a member on ${from}`,
      next:
        lock.site === to
          ? `standby failover plan --mode follow --to ${to}`
          : `standby failover plan --mode follow --to ${lock.site}, and then the switchover`,
    }),
  ]
}
