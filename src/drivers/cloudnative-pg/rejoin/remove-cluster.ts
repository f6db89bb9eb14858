import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { CLUSTER, readCluster } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { namespaceOf, type Run } from '../where.ts'

const VOLUME_CLAIM = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', plural: 'persistentvolumeclaims' } as const
const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' } as const

/**
 * The former active cluster with its volumes. What only it had is kept; its history can not be joined to the new one.
 */
export function removeClusterStep(component: Database, intent: Intent, uid: string): PlannedStep {
  const cluster = clusterOf(component, intent.to)
  return plannedStep(component, 'remove-cluster', intent.to, {
    phase: 'RESTORE_AUX',
    needs: [stepId(component, 'keep-evidence', intent.to)],
    irreversible: true,
    title: `Deletes ${cluster} with its volumes: its history and the one of ${clusterOf(component, intent.from)} parted`,
    deadline: minutes(5),
    expected: seconds(4),
    parameters: { cluster, uid },
  })
}

export const removeCluster: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const name = parameter(run.step, 'cluster')
    const uid = parameter(run.step, 'uid')
    const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
    if (cluster?.metadata.uid === uid) return { is: 'pending', waitingFor: `${name} to be gone` }
    const left = await remains(run, name, uid)
    return left.length === 0
      ? { is: 'done', proof: { deleted: uid } }
      : { is: 'pending', waitingFor: `${left.join(', ')} to be gone` }
  },
  /** This very object: a cluster that somebody made anew under the same name is not touched. */
  async apply(run) {
    const path = `/apis/${CLUSTER.apiVersion}/namespaces/${namespaceOf(run)}/${CLUSTER.plural}/${parameter(run.step, 'cluster')}`
    const options = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Foreground',
      preconditions: { uid: parameter(run.step, 'uid') },
    }
    try {
      await kubernetesOf(run).request('DELETE', path, options, { signal: run.signal })
    } catch (error) {
      // Gone already, or another one is there: the look that follows tells.
      if (!['kubernetes-not-found', 'kubernetes-conflict'].includes(asStandbyError(error).code)) throw error
    }
  },
}

/** Pods and volumes that still belong to the deleted object. */
async function remains(run: Run, cluster: string, uid: string): Promise<string[]> {
  const labelSelector = `cnpg.io/cluster=${cluster}`
  const query = { namespace: namespaceOf(run), labelSelector }
  const lists = await Promise.all(
    [POD, VOLUME_CLAIM].map((kind) => kubernetesOf(run).list(kind, query, { signal: run.signal })),
  )
  return lists
    .flat()
    .filter((object) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true)
    .map((object) => `${object.kind} ${object.metadata.name}`)
}
