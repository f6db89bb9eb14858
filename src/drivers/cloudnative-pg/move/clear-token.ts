import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, HEALTHY } from '../objects.ts'
import { clusterOfRun, type DatabaseRun, invalidateCluster, type OfPair, patchCluster } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { archiveAgain } from './leave-archive.ts'

export function clearTokenStep(component: Database, intent: Intent): DriverStep<OfPair> {
  const to = clusterOf(component, intent.to)
  return planStep(clearToken, intent.to, {
    phase: 'PROTECT',
    title: `Clears the used token of ${to}: left on a live primary it stops the operator`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { cluster: to, peer: clusterOf(component, intent.from) },
  })
}

interface Cleared extends Proof {
  readonly promotionToken: null
  readonly phase: typeof HEALTHY
}

export const clearToken: Action<CloudNativePgSpec, OfPair, Cleared> = {
  name: 'clear-token',
  parameters: parametersOf<OfPair>({ cluster: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: DatabaseRun<OfPair>) {
      const cluster = await clusterOfRun(run)
      const { name } = cluster.metadata
      if (cluster.spec.replica?.promotionToken || !asksArchiveOf(cluster, run.step.parameters.peer))
        return { is: 'pending', waitingFor: `the token of ${name} to be cleared`, due: asSeen(cluster) }
      return cluster.status?.phase === HEALTHY
        ? { is: 'done', proof: { promotionToken: null, phase: HEALTHY } }
        : { is: 'pending', waitingFor: `${name} to be healthy (${cluster.status?.phase ?? 'no phase'})` }
    },
    async apply(run: DatabaseRun<OfPair>, seen: AsSeen) {
      const archive = archiveAgain(run, await clusterOfRun(run), run.step.parameters.peer)
      await patchCluster(run, seen, { spec: { replica: { promotionToken: null }, ...archive } })
    },
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { get, patch } = clusterShell(component, { site: step.site, cluster: step.parameters.cluster }, around)
      return {
        commands: [patch({ replica: { promotionToken: null } }), get('{.status.phase}')],
        expect: 'Cluster in healthy state.',
        never: 'Leave the token: on a live primary it stops the operator.',
      }
    },
  },
}
