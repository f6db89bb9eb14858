import type { BySite } from '../../domain/observed.ts'
import type { Finding, Intent, PlannedStep } from '../../domain/plan.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import { sayAt } from '../../driver/say.ts'
import { kubernetesOf } from '../../driver/site-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { fence } from './failover/fence.ts'
import { clusterRef } from './objects.ts'
import type { CloudNativePgState } from './observe.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { parameter, plannedStep } from './steps.ts'
import { namespaceOf, touchCluster } from './where.ts'

/**
 * The fence of the guard, or of a run that was taken back, is lifted: PostgreSQL starts as the primary that it was.
 * Pure.
 */
export function reopenSteps(component: Database, states: BySite<CloudNativePgState>, intent: Intent): PlannedStep[] {
  const seen = states[intent.to]
  const cluster = clusterOf(component, intent.to)
  return [
    plannedStep(component, 'unfence', intent.to, {
      // Before START, in which what stands on it begins.
      phase: 'RESTORE_AUX',
      title: `Lifts the fence of ${cluster}, and waits until its primary accepts writes`,
      deadline: minutes(5),
      expected: seconds(8),
      parameters: { cluster, uid: seen?.kind === 'answering' ? seen.state.uid : '' },
    }),
  ]
}

/**
 * The way back from a fence, as a step of its own; there is no way back from it, because nothing of it has to be
 * undone.
 */
export const unfence: Behaviour<CloudNativePgSpec> = {
  done: async (run) => (await fence.undone?.(run)) ?? { is: 'unknown', why: 'a fence cannot be looked at' },
  apply: async (run) => fence.undo?.(run),
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  touch: touchCluster,
}

/** What stands against opening the database of the active site. Pure. */
export function assessReopen(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  { activeSite }: Assessment,
): Finding[] {
  const seen = states[intent.to]
  const say = sayAt(component, intent.to)
  const cluster = clusterOf(component, intent.to)
  if (seen === undefined) return []
  if (seen.kind !== 'answering')
    return [
      say(
        'database-not-answering',
        'blocker',
        `${cluster} cannot be read: ${seen.why}`,
        seen.kind === 'absent'
          ? `It is gone: standby failover plan --mode failover to a site that has the data.`
          : `Look at the API server of ${activeSite ?? intent.to}.`,
      ),
    ]
  const { isReplica, inProgress } = seen.state
  if (!isReplica && !inProgress) return []
  return [
    say(
      'not-a-primary',
      'blocker',
      `${cluster} ${isReplica ? 'is declared as a replica' : 'is amid a change of its role'}: to open it would not make it accept writes`,
      'Resume or abort the run that changed its role: standby status names it.',
    ),
  ]
}
