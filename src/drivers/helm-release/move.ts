import type { BySite } from '../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { minutes } from '../../values/duration.ts'
import { identityStep, rememberStep } from './identity.ts'
import type { HelmReleaseState } from './observe.ts'
import { pullImagesStep } from './pull-images.ts'
import { reconcileStep } from './reconcile.ts'
import { startStep, stopStep } from './scale.ts'
import { endLookStep, secondLookStep } from './second-look.ts'
import type { Application } from './spec.ts'

/**
 * A switchover stops the one site and starts the other; a failover starts the other, as if the lost site had never
 * been. Pure.
 */
export function moveSteps(component: Application, states: BySite<HelmReleaseState>, intent: Intent): PlannedStep[] {
  const { from, to } = intent
  const before = declaredOn(states, from)
  if (intent.mode === 'failover') {
    const remembered = rememberStep(component, to, intent)
    return [
      remembered,
      startStep(component, intent, before === null || before === 0 ? null : before),
      identityStep(component, intent, remembered),
      reconcileStep(component, to, 'active'),
    ]
  }
  const remembered = rememberStep(component, from, intent)
  const look = secondLookStep(component, from, before)
  return [
    remembered,
    pullImagesStep(component, to),
    look,
    endLookStep(component, from, look),
    stopStep(component, from, { phase: 'DRAIN', before }),
    // As many replicas as served before; the values of the role decide again afterwards.
    startStep(component, intent, Math.max(1, before ?? 1)),
    identityStep(component, intent, remembered),
    reconcileStep(component, to, 'active'),
    reconcileStep(component, from, 'passive'),
  ]
}

/**
 * On a former active site that still answers, also when its application is only half up: down to zero, and no pod that
 * runs. Pure.
 */
export function fenceSteps(component: Application, states: BySite<HelmReleaseState>, intent: Intent): PlannedStep[] {
  const seen = states[intent.from]
  const asleep = seen?.kind === 'absent' || (seen?.kind === 'answering' && seen.role === 'passive')
  if (asleep) return []
  return [
    stopStep(component, intent.from, { phase: 'FENCE', before: declaredOn(states, intent.from), deadline: minutes(2) }),
  ]
}

/** The former active site goes to sleep. Taking a rejoin back starts nothing there: it is not the active site. Pure. */
export function rejoinSteps(component: Application, _states: BySite<HelmReleaseState>, intent: Intent): PlannedStep[] {
  return [stopStep(component, intent.to, { phase: 'DRAIN', before: 0 }), reconcileStep(component, intent.to, 'passive')]
}

/** The application serves again, with as many replicas as its release says. Pure. */
export function reopenSteps(component: Application, _states: BySite<HelmReleaseState>, intent: Intent): PlannedStep[] {
  return [startStep(component, intent, null), reconcileStep(component, intent.to, 'active')]
}

function declaredOn(states: BySite<HelmReleaseState>, site: SiteName): number | null {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state.workload.declared : null
}
