import type { Gap } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { Assesses } from '../../../driver/capabilities.ts'
import { codes } from '../codes.ts'
import { chosenAt } from '../move/moves.ts'
import { askedSites } from '../move/ready-sentinel.ts'
import { answeringIn, bestReplicaIn, masterIn, mastersIn, sentinelsIn } from '../observe.ts'
import { type Group, groupNamed, groupSiteOf, minReplicasOf, type RedisSentinelSpec } from '../spec.ts'
import { findingsOfDumps } from './findings-of-dumps.ts'
import { findingsOfPair, findingsOfSite, type States, sayOf, stateAt } from './findings-of-site.ts'
import type { Purpose } from './severities.ts'

/** What is wrong with the group, and what stands against a move of it. Pure. */
export const assessment: Assesses<RedisSentinelSpec, States> = {
  status: (component, states, around) => ofSitesAndDumps(component, states, () => 'status', around),
  moves: { switchover: assessSwitchover, failover: assessFailover, rejoin: assessRejoin },
  gaps: (_component, states, activeSite) => gapsOf(states, activeSite),
}

const ofSites = (
  component: Group,
  states: States,
  purposeOf: (site: string) => Purpose,
  { stack, activeSite }: Assessment,
): Finding[] => [
  ...stack.sites.flatMap(({ name }) => [
    ...findingsOfSite(component, name, states, purposeOf(name), activeSite),
    ...findingsOfPair(component, states, name, purposeOf(name), activeSite),
  ]),
  ...twoSites(component, states, purposeOf, activeSite),
]

/** Dumps count in a move as well, as warnings: replicas carry the data, so no move is refused because of a dump. */
const ofSitesAndDumps = (
  component: Group,
  states: States,
  purposeOf: (site: string) => Purpose,
  around: Assessment,
): Finding[] => [...ofSites(component, states, purposeOf, around), ...findingsOfDumps(component, states, around)]

function assessSwitchover(component: Group, states: States, { from, to }: Intent, around: Assessment): Finding[] {
  const purposes: ReadonlyMap<string, Purpose> = new Map([
    [from, 'source'],
    [to, 'target'],
  ])
  const purposeOf = (site: string): Purpose => purposes.get(site) ?? 'third'
  return [...ofSitesAndDumps(component, states, purposeOf, around), ...promotable(component, states, to, 'target')]
}

/** Of the site that takes over alone: a minority of Sentinels carries out a failover that it is asked for. */
function assessFailover(component: Group, states: States, intent: Intent, around: Assessment): Finding[] {
  const { from, to } = intent
  const { activeSite, elsewhere } = around
  // Sentinels and replicas of a third site count too.
  const all: States = { ...(elsewhere as States | undefined), ...states }
  return [
    ...findingsOfSite(component, to, states, 'taking-over', activeSite).filter(
      // Its own master is the lost one.
      ({ code }) => code !== codes.code['sentinel-link-down'],
    ),
    ...promotable(component, states, to, 'taking-over'),
    ...wayWithoutItsSentinels(component, all, intent),
    ...fewReplicas(component, all, from, to),
  ]
}

function assessRejoin(component: Group, states: States, { from, to }: Intent, { activeSite }: Assessment): Finding[] {
  const former = stateAt(states, to)
  const masters = former === null ? [] : mastersIn(former)
  const say = sayOf(component, to, 'coming-back')
  const silent = codes.code['sentinel-redis-silent']
  // The rejoin starts them, with a file that makes them replicas.
  const isStartable = Object.values(groupSiteOf(component, to).redis).every(
    ({ configFile }) => configFile !== undefined,
  )
  return [
    ...findingsOfSite(component, from, states, 'active', activeSite),
    ...findingsOfSite(component, to, states, 'coming-back', activeSite)
      .filter(({ code }) => code !== codes.code['sentinel-passive-master'])
      .map((found) => (found.code === silent && isStartable ? { ...found, severity: 'warning' as const } : found)),
    ...(masters.length === 0
      ? []
      : [
          say(
            'sentinel-former-master',
            `${masters.map(([name]) => name).join(' and ')} of ${to} accepts writes beside ${from}: what it took since the failover is lost when it follows`,
            `The rejoin closes it first. Sentinel itself demotes it about 10 s after it sees it.`,
          ),
        ]),
  ]
}

/** Masters on two sites: one of them came back, or was promoted by another hand. */
function twoSites(
  component: Group,
  states: States,
  purposeOf: (site: string) => Purpose,
  activeSite: string | null,
): Finding[] {
  const all = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? mastersIn(seen.state).map(([name]) => ({ site, name })) : [],
  )
  if (new Set(all.map(({ site }) => site)).size < 2) return []
  const site = all.find((one) => one.site !== activeSite)?.site ?? ''
  return [
    sayOf(component, site, purposeOf(site))(
      'sentinel-two-masters',
      `${all.map((one) => `${one.name} of ${one.site}`).join(' and ')} accept writes at the same time`,
      `Have the site that is not active follow: standby failover plan --mode rejoin --to ${site}`,
    ),
  ]
}

/** What SENTINEL FAILOVER would answer NOGOODSLAVE for, as far as it can be seen before (sentinelSelectSlave). */
function promotable(component: Group, states: States, to: string, purpose: Purpose): Finding[] {
  const state = stateAt(states, to)
  if (state === null) return []
  const say = sayOf(component, to, purpose)
  const best = bestReplicaIn(state)
  // It is there already: Sentinel moved it by itself.
  if (best === null && masterIn(state) !== null) return []
  if (best === null)
    return [
      say(
        'sentinel-no-good-replica',
        `${groupNamed(component, to)} has no replica that answers and has loaded its data`,
        `Look at Redis on ${to}.`,
      ),
    ]
  const [name, replica] = best
  const known = sentinelsIn(state).flatMap(([, sentinel]) => sentinel.replicas)
  const isDown = known.some(({ flags }) => flags.includes('s_down')) && !replica.linked
  const downSaid = isDown ? ', and Sentinel takes it for down' : ''
  return [
    ...(sentinelsIn(state).length === 0 && purpose === 'target'
      ? [
          say(
            'sentinel-silent',
            `no Sentinel of ${to} answers: nothing could promote ${name}`,
            `Look at the Sentinels of ${to}.`,
            {
              unanswered: true,
            },
          ),
        ]
      : []),
    ...(replica.filling && purpose === 'taking-over'
      ? [
          say(
            'sentinel-no-good-replica',
            `${name} was being filled when its master was lost${downSaid}: its data are not whole`,
            'Another site may have them.',
          ),
        ]
      : []),
  ]
}

/** How a failover promotes where no Sentinel of its site answers, and what could take that back. Pure. */
function wayWithoutItsSentinels(component: Group, states: States, intent: Intent): Finding[] {
  const { from, to } = intent
  const chosen = chosenAt(component, states, to)
  if (stateAt(states, to) === null || askedSites(component, states, intent, chosen).length > 0) return []
  const say = sayOf(component, to, 'taking-over')
  const former = stateAt(states, from)
  const left = former === null ? [] : sentinelsIn(former).map(([name]) => name)
  return left.length > 0
    ? [
        say(
          'sentinel-takes-back',
          `${left.join(' and ')} of ${from} answers, and no Sentinel outside ${from} could promote ${chosen}: promoted without one, ${chosen} would be made a replica of its old master within 10 s`,
          `Start a Sentinel of ${to} or of a third site. Or, where ${from} is given up, stop the Sentinels of ${from}.`,
          { unanswered: true },
        ),
      ]
    : [
        say(
          'sentinel-promoted-without',
          `no Sentinel outside ${from} answers: Standby itself promotes ${chosen} (REPLICAOF NO ONE). Sentinels that come back still name the old master, until this failover or the rejoin leads them`,
          `Start a Sentinel of ${to}, and plan again: it promotes. Otherwise keep Redis of ${from} stopped until its rejoin.`,
        ),
      ]
}

/** A new master that demands more replicas than are left would refuse every write. */
function fewReplicas(component: Group, states: States, from: string, to: string): Finding[] {
  const chosen = chosenAt(component, states, to)
  const demanded = minReplicasOf(component, to, chosen)
  const left = Object.entries(states)
    .filter(([site]) => site !== from)
    .flatMap(([site, seen]) =>
      seen.kind === 'answering'
        ? answeringIn(seen.state).flatMap(([name]) => (site === to && name === chosen ? [] : [name]))
        : [],
    )
  return left.length >= demanded
    ? []
    : [
        sayOf(component, to, 'taking-over')(
          'sentinel-few-replicas',
          `${chosen} demands ${demanded} replicas for a write (minReplicasToWrite), and ${left.length} would be left: it would refuse every write`,
          `After the move, on its host: redis-cli CONFIG SET min-replicas-to-write ${left.length}; or declare fewer.`,
        ),
      ]
}

/** How far each passive site is behind: bytes of the replication stream. Pure. */
export function gapsOf(states: States, activeSite: string): Readonly<Record<string, Gap>> {
  const active = stateAt(states, activeSite)
  const master = active === null ? null : masterIn(active)
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]): [string, Gap][] => {
      if (site === activeSite || seen.kind !== 'answering') return []
      const replica = bestReplicaIn(seen.state)
      const isSame = master !== null && replica !== null && master[1].history === replica[1].history
      const bytes = isSame ? Math.max(0, master[1].offset - replica[1].offset) : null
      return [[site, { segments: null, bytes, seconds: bytes === 0 ? 0 : null }]]
    }),
  )
}
