import type { Intent } from '../../../domain/plan.ts'
import { type DriverStep, stepOf } from '../../../driver/action.ts'
import type { Moves } from '../../../driver/capabilities.ts'
import { type States, stateAt } from '../assess/findings-of-site.ts'
import { dumpSteps } from '../backup/dump.ts'
import { keptData } from '../loss.ts'
import { answeringIn, masterIn, mastersIn, sentinelsIn } from '../observe.ts'
import { type Group, type RedisSentinelSpec, redisNamesOf, redisOf } from '../spec.ts'
import type { Sentinel } from '../views.ts'
import { aimStep } from './aim.ts'
import { catchUpStep } from './catch-up.ts'
import { closeStep, shut, shutSteps } from './close.ts'
import { followerSteps, followStep } from './follow.ts'
import { promoteLostStep, promoteStep } from './promote.ts'
import { askedSites } from './ready-sentinel.ts'
import { settleStep } from './settle.ts'
import { startSteps } from './start.ts'
import { uniteStep } from './unite.ts'

/** What a move does with the group. Pure. */
export const moves: Moves<RedisSentinelSpec, States> = {
  switchover(component, states, intent) {
    const chosen = chosenAt(component, states, intent.to)
    return [
      aimStep(component, intent, chosen, { sites: Object.keys(component.spec.sites), by: [intent.to] }),
      closeStep(component, intent),
      catchUpStep(component, intent, chosen),
      promoteStep(component, intent, chosen),
      followStep(component, intent.from, intent.to, 'PROTECT'),
      settleStep(component, intent.to),
      ...dumpSteps(component, intent.to, 'PROTECT'),
    ]
  },
  failover: failoverSteps,
  rejoin: (component, states, intent) => [
    ...shutSteps(component, states, intent),
    ...unitySteps(component, states, intent),
    ...startSteps(component, states, intent),
    followStep(component, intent.to, intent.from, 'PROTECT'),
  ],
  follow: followerSteps,
  keeps: keptData,
}

function failoverSteps(component: Group, states: States, intent: Intent): DriverStep[] {
  const chosen = chosenAt(component, states, intent.to)
  const sites = Object.keys(component.spec.sites).filter((site) => site !== intent.from)
  const view = stateAt(states, intent.to)?.redis[chosen]
  const silentFor = view?.is === 'answering' ? (view.lostAgo ?? view.heardAgo) : null
  const by = askedSites(component, states, intent, chosen)
  return [
    aimStep(component, intent, chosen, { sites, by }),
    promoteLostStep(component, intent, chosen, { silentFor, by }),
    by.length === 0
      ? uniteStep(component, intent.to, 'PROTECT', { sites, by: sites })
      : settleStep(component, intent.to, by),
    ...dumpSteps(component, intent.to, 'PROTECT'),
  ]
}

/**
 * Sentinels that name another master than the active site has would lead that to the one that comes back. Those of
 * which another one knows better adopt its newer epoch within seconds, and need nothing. Pure.
 */
function unitySteps(component: Group, states: States, { from, to }: Intent): DriverStep[] {
  const active = stateAt(states, from)
  const [master] = (active === null ? null : masterIn(active)) ?? []
  if (master === undefined) return []
  const { address } = redisOf(component, from, master)
  const all = Object.keys(states).flatMap((site) => {
    const state = stateAt(states, site)
    return state === null ? [] : sentinelsIn(state).map(([, sentinel]) => sentinel)
  })
  const astray = all.filter((sentinel) => sentinel.master !== address)
  const newest = (of: readonly Sentinel[]): number => Math.max(-1, ...of.map(({ epoch }) => epoch))
  const isAstray = astray.length > 0 && newest(astray) >= newest(all.filter((one) => !astray.includes(one)))
  const sites = Object.keys(component.spec.sites)
  return isAstray
    ? [
        uniteStep(component, from, 'PREPARE', {
          sites: sites.filter((site) => site !== to),
          by: sites,
          needs:
            shutSteps(component, states, { mode: 'rejoin', from, to }).length === 0
              ? []
              : [stepOf(component, shut, to)],
        }),
      ]
    : []
}

/**
 * The Redis of a site that is promoted: one that is a master already; else the connected one that wins by its declared
 * priority, so that the choice is the same when the plan is made anew; else the one that has received the most. Pure.
 */
export function chosenAt(component: Group, states: States, site: string): string {
  const state = stateAt(states, site)
  const [first = ''] = redisNamesOf(component, site)
  if (state === null) return first
  const [master] = mastersIn(state)
  if (master !== undefined) return master[0]
  const priority = (name: string): number => redisOf(component, site, name).priority ?? 100
  const able = answeringIn(state).filter(([, { loading, filling }]) => !loading && !filling)
  const linked = able.filter(([, server]) => server.linked).sort(([a], [b]) => priority(a) - priority(b))
  const fullest = able.sort(([a, one], [b, other]) => other.offset - one.offset || priority(a) - priority(b))
  return linked[0]?.[0] ?? fullest[0]?.[0] ?? first
}
