import type { BySite } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Assessment } from '../../driver/assessment.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { sayAt } from './codes.ts'
import { fenceIsLifted, liftFence, type OfFence } from './failover/fence.ts'
import type { CloudNativePgState } from './observe.ts'
import { changesOfCluster, invalidateCluster } from './run.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'

/**
 * The fence of the guard, or of a run that was undone, is lifted: PostgreSQL starts as the primary that it was. Pure.
 */
export function reopenSteps(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
): DriverStep<OfFence>[] {
  const seen = states[intent.to]
  const cluster = clusterOf(component, intent.to)
  return [
    planStep(unfence, intent.to, {
      // Before START, in which the components that need the database begin.
      phase: 'RESTORE_AUX',
      title: `Lifts the fence of ${cluster}, and waits until its primary accepts writes`,
      deadline: minutes(5),
      expected: seconds(8),
      parameters: { cluster, uid: seen?.kind === 'answering' ? seen.state.uid : '' },
    }),
  ]
}

/** The way back from a fence, as a step of its own. It has no way back itself: nothing of it has to be undone. */
export const unfence: Action<CloudNativePgSpec, OfFence, Proof> = {
  name: 'unfence',
  parameters: parametersOf<OfFence>({ cluster: TEXT, uid: TEXT }),
  behaviour: {
    is: 'versioned',
    done: fenceIsLifted,
    apply: liftFence,
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: 'none',
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
      {
        ...say(
          'database-not-answering',
          'blocker',
          `${cluster} cannot be read: ${seen.why}`,
          seen.kind === 'absent'
            ? `It is gone: standby failover plan --mode failover to a site that has the data.`
            : `Look at the API server of ${activeSite ?? intent.to}.`,
        ),
        ...(seen.kind === 'silent' ? { unanswered: true } : {}),
      },
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
