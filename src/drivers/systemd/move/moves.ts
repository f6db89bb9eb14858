import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverStep } from '../../../driver/action.ts'
import type { Moves, StatesPerSite } from '../../../driver/capabilities.ts'
import { identityStep, recordIdentityStep } from '../../../systems/application/prove-identity.ts'
import { hostsThatCan } from '../assess.ts'
import { identity } from '../identity.ts'
import type { SystemdState } from '../observe.ts'
import { type Application, type SystemdSpec, unitsAt } from '../spec.ts'
import { isShut } from '../unit-state.ts'
import { startStep } from './start.ts'
import { beforeOf, NOTHING, stopStep } from './stop.ts'

type States = StatesPerSite<SystemdState>

export const moves: Moves<SystemdSpec, States> = {
  /** Stops the one site and starts the other. */
  switchover(component, states, intent) {
    const state = stateOn(states, intent.from)
    return [
      recordIdentityStep(identity, intent.from, intent),
      stopStep(component, intent.from, { phase: 'DRAIN', state, before: beforeOf(state) }),
      startStep(component, intent, allHosts(component, intent.to)),
      identityStep(identity, component, intent, intent.from),
    ]
  },
  /** Starts the new site, as if the lost one did not exist. */
  failover(component, states, intent) {
    const state = stateOn(states, intent.to)
    const able = state === null ? [] : hostsThatCan(state)
    return [
      recordIdentityStep(identity, intent.to, intent),
      startStep(component, intent, able.length === 0 ? allHosts(component, intent.to) : able),
      identityStep(identity, component, intent, intent.to),
    ]
  },
  /** Stops the former active site. Undoing a rejoin starts nothing there: it is not the active site. */
  rejoin: (component, states, { to }) => [
    stopStep(component, to, { phase: 'DRAIN', state: stateOn(states, to), before: NOTHING }),
  ],
  reopen: (component, _states, intent) => [startStep(component, intent, allHosts(component, intent.to))],
}

/**
 * On a former active site of which a host still answers; nothing where all are stopped, and no boot starts them. Pure.
 */
export function fenceSteps(component: Application, states: States, { from }: Intent): DriverStep[] {
  const seen = states[from]
  if (seen?.kind === 'absent') return []
  const state = stateOn(states, from)
  if (state !== null && isSiteShut(component, from, state)) return []
  return [stopStep(component, from, { phase: 'FENCE', state, before: beforeOf(state) })]
}

/** Every host answers, nothing runs, and nothing is about to start it. */
const isSiteShut = (component: Application, site: SiteName, { hosts }: SystemdState): boolean =>
  allHosts(component, site).every((name) => {
    const host = hosts[name]
    return host?.is === 'answering' && Object.values(host.units).every(isShut)
  })

const allHosts = (component: Application, site: SiteName): string[] => unitsAt(component, site).map(([host]) => host)

function stateOn(states: States, site: SiteName): SystemdState | null {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}
