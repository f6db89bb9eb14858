import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import { minutes, seconds } from '../../duration.ts'
import type { Behaviour } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import { asSeen } from '../compare-and-set.ts'
import { tokenOf } from './catch-up.ts'
import { type ClusterObject, clusterRef, POD } from './objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { parameter, plannedStep, stepId } from './steps.ts'
import { askSql, clusterOfRun, instanceOf, kubernetesOf, namespaceOf, patchAsSeen, type Run, touchCluster } from './where.ts'

/** The replica becomes the primary, and is ready for clients when this step ends. */
export function promoteStep(component: Database, intent: Intent): PlannedStep {
  const to = clusterOf(component, intent.to)
  return plannedStep(component, 'promote', intent.to, {
    phase: 'PROMOTE',
    needs: [stepId(component, 'catch-up', intent.to)],
    irreversible: true,
    title: `Promotes ${to} with the token of the old primary, and waits until it is writable and restarted`,
    deadline: minutes(5),
    expected: seconds(12),
    parameters: { cluster: to, demotion: stepId(component, 'demote', intent.from) },
  })
}

export const promote: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const { text, token } = tokenOf(run)
    const name = cluster.metadata.name
    if (cluster.spec.replica?.primary !== name)
      return { is: 'pending', waitingFor: `${name} to be told that it is the primary`, restsOn: asSeen(cluster) }
    const refused = refusal(cluster)
    if (refused !== null)
      return { is: 'failed', code: 'promotion-refused', why: refused, next: `kubectl -n ${namespaceOf(run)} describe cluster ${name}` }
    if (cluster.status?.lastPromotionToken !== text)
      return {
        is: 'pending',
        waitingFor: `${name} to accept the token`,
        ...(cluster.spec.replica.promotionToken === text ? {} : { restsOn: asSeen(cluster) }),
      }
    const instance = await instanceOf(run, cluster)
    if (instance?.isPrimary !== true || instance.timeLineID <= token.timeline)
      return { is: 'pending', waitingFor: `${name} to leave recovery` }
    // Clients that are let in before the restart of archive_mode keep everybody else out until they leave (smart shutdown).
    if (instance.pendingRestart === true || !(await podIsReady(run, cluster)))
      return { is: 'pending', waitingFor: `${name} to restart with archive_mode on` }
    const [row] = (await askSql(run, "SELECT pg_is_in_recovery(), current_setting('archive_mode');")) ?? []
    if (row?.[0] !== 'f' || row[1] !== 'on') return { is: 'pending', waitingFor: `${name} to restart with archive_mode on` }
    return {
      is: 'done',
      proof: { writable: true, timeline: instance.timeLineID, systemId: instance.systemID ?? token.systemId, token: text },
    }
  },
  async apply(run) {
    const name = parameter(run.step, 'cluster')
    // One patch: primary without token in a first patch would be an instant failover, and the old side would have to be cloned again.
    await patchAsSeen(run, { spec: { replica: { primary: name, promotionToken: tokenOf(run).text } } })
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  touch: touchCluster,
}

/** The operator's word for a token that it will never accept; Ready stays True and PostgreSQL stays up all the while. */
export function refusal(cluster: ClusterObject): string | null {
  const { phase = '', phaseReason = '' } = cluster.status ?? {}
  return phase.startsWith('Cluster is unrecoverable') ? `${cluster.metadata.name}: ${phase} (${phaseReason})` : null
}

export async function podIsReady(run: Run, cluster: ClusterObject): Promise<boolean> {
  const pod = await kubernetesOf(run).get(
    { ...POD, namespace: namespaceOf(run), name: cluster.status?.currentPrimary ?? '' },
    { signal: run.signal },
  )
  return conditionIsTrue(pod, 'Ready')
}

function conditionIsTrue(object: KubernetesObject | null, type: string): boolean {
  const conditions = (object?.status as { conditions?: readonly { type: string; status: string }[] } | undefined)?.conditions ?? []
  return conditions.some((condition) => condition.type === type && condition.status === 'True')
}
