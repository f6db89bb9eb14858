import type { Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverStep } from '../../driver/action.ts'
import type { Moves, StatesPerSite } from '../../driver/capabilities.ts'
import { identityStep, recordIdentityStep } from '../../systems/application/prove-identity.ts'
import { minutes } from '../../values/duration.ts'
import { identity } from './identity.ts'
import type { HelmReleaseState } from './observe.ts'
import { pullImagesStep } from './pull-images.ts'
import { reconcileStep } from './reconcile.ts'
import { startStep, stopStep } from './scale.ts'
import { endLookStep, secondLookStep } from './second-look.ts'
import type { Application, HelmReleaseSpec } from './spec.ts'

type States = StatesPerSite<HelmReleaseState>

export const moves: Moves<HelmReleaseSpec, States> = {
  /** Stops the one site and starts the other. */
  switchover(component, states, intent) {
    const { from, to } = intent
    const before = declaredOn(states, from)
    return [
      recordIdentityStep(identity, from, intent),
      pullImagesStep(component, to),
      secondLookStep(component, from, before),
      endLookStep(component, from),
      stopStep(component, from, { phase: 'DRAIN', before }),
      // As many replicas as served before; the values of the role decide again afterwards.
      startStep(component, intent, Math.max(1, before ?? 1)),
      identityStep(identity, component, intent, from),
      reconcileStep(component, to, 'active'),
      reconcileStep(component, from, 'passive'),
    ]
  },
  /** Starts the new site, as if the lost one did not exist. */
  failover(component, states, intent) {
    const { from, to } = intent
    const before = declaredOn(states, from)
    return [
      recordIdentityStep(identity, to, intent),
      startStep(component, intent, before === 0 ? null : before),
      identityStep(identity, component, intent, to),
      reconcileStep(component, to, 'active'),
    ]
  },
  /** Stops the former active site. Undoing a rejoin starts nothing there: it is not the active site. */
  rejoin: (component, _states, { to }) => [
    stopStep(component, to, { phase: 'DRAIN', before: 0 }),
    reconcileStep(component, to, 'passive'),
  ],
  /** The application serves again, with as many replicas as its release says. */
  reopen: (component, _states, intent) => [
    startStep(component, intent, null),
    reconcileStep(component, intent.to, 'active'),
  ],
}

/**
 * On a former active site that still answers, also when its application is only half up: scales to zero, until no pod
 * runs. Pure.
 */
export function fenceSteps(component: Application, states: States, { from }: Intent): DriverStep[] {
  const seen = states[from]
  const asleep = seen?.kind === 'absent' || (seen?.kind === 'answering' && seen.role === 'passive')
  if (asleep) return []
  return [stopStep(component, from, { phase: 'FENCE', before: declaredOn(states, from), deadline: minutes(2) })]
}

function declaredOn(states: States, site: SiteName): number | null {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state.workload.declared : null
}
