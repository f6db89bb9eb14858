import type { Intent } from '../../../domain/plan.ts'
import type { DriverStep } from '../../../driver/action.ts'
import type { Moves } from '../../../driver/capabilities.ts'
import { type States, stateAt } from '../assess/findings-of-site.ts'
import { dumpSteps } from '../backup/dump.ts'
import { keptData } from '../loss.ts'
import { answeringIn, mastersIn } from '../observe.ts'
import { type Group, type RedisSentinelSpec, redisNamesOf, redisOf } from '../spec.ts'
import { aimStep } from './aim.ts'
import { catchUpStep } from './catch-up.ts'
import { closeStep, shutSteps } from './close.ts'
import { followerSteps, followStep } from './follow.ts'
import { promoteLostStep, promoteStep } from './promote.ts'
import { settleStep } from './settle.ts'
import { startSteps } from './start.ts'

/** What a move does with the group. Pure. */
export const moves: Moves<RedisSentinelSpec, States> = {
  switchover(component, states, intent) {
    const chosen = chosenAt(component, states, intent.to)
    return [
      aimStep(component, intent, chosen, Object.keys(component.spec.sites)),
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
  return [
    aimStep(component, intent, chosen, sites),
    promoteLostStep(component, intent, chosen, silentFor),
    settleStep(component, intent.to),
    ...dumpSteps(component, intent.to, 'PROTECT'),
  ]
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
