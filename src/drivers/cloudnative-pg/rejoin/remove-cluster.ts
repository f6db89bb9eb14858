import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { CLUSTER, readCluster } from '../objects.ts'
import { type DatabaseRun, kubernetesOf, namespaceOf } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { keepEvidence } from './keep-evidence.ts'

const VOLUME_CLAIM = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', plural: 'persistentvolumeclaims' } as const
const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' } as const

export type RemoveCluster = {
  readonly cluster: string
  /** metadata.uid: a Cluster that was made anew under the same name is left alone. */
  readonly uid: string
}
interface Removed extends Proof {
  readonly deleted: string
}

/**
 * The former active cluster with its volumes. What only it has is kept by then; its history cannot be joined to the new
 * one.
 */
export function removeClusterStep(component: Database, intent: Intent, uid: string): DriverStep<RemoveCluster> {
  const cluster = clusterOf(component, intent.to)
  return planStep(removeCluster, intent.to, {
    phase: 'RESTORE_AUX',
    needs: [stepOf(component, keepEvidence, intent.to)],
    irreversible: true,
    title: `Deletes ${cluster} with its volumes: its history and the one of ${clusterOf(component, intent.from)} parted`,
    deadline: minutes(5),
    expected: seconds(4),
    parameters: { cluster, uid },
  })
}

const behaviour: Plain<CloudNativePgSpec, RemoveCluster, Removed> = {
  is: 'plain',
  async done(run) {
    const { cluster: name, uid } = run.step.parameters
    const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
    if (cluster?.metadata.uid === uid) return { is: 'pending', waitingFor: `${name} to be gone` }
    const left = await remains(run)
    return left.length === 0
      ? { is: 'done', proof: { deleted: uid } }
      : { is: 'pending', waitingFor: `${left.join(', ')} to be gone` }
  },
  /** Deletes this very object, by its UID. */
  async apply(run) {
    const { cluster, uid } = run.step.parameters
    const path = `/apis/${CLUSTER.apiVersion}/namespaces/${namespaceOf(run)}/${CLUSTER.plural}/${cluster}`
    const options = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Foreground',
      preconditions: { uid },
    }
    try {
      await kubernetesOf(run).request('DELETE', path, options, { signal: run.signal })
    } catch (error) {
      // It is gone, or another Cluster has its name: `done` sees which.
      if (!['kubernetes-not-found', 'kubernetes-conflict'].includes(asStandbyError(error).code)) throw error
    }
  },
  back: { is: 'irreversible' },
}

/** Pods and volumes that still belong to the deleted object. */
async function remains(run: DatabaseRun<RemoveCluster>): Promise<string[]> {
  const { cluster, uid } = run.step.parameters
  const query = { namespace: namespaceOf(run), labelSelector: `cnpg.io/cluster=${cluster}` }
  const lists = await Promise.all(
    [POD, VOLUME_CLAIM].map((kind) => kubernetesOf(run).list(kind, query, { signal: run.signal })),
  )
  return lists
    .flat()
    .filter((object) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true)
    .map((object) => `${object.kind} ${object.metadata.name}`)
}

export const removeCluster: Action<CloudNativePgSpec, RemoveCluster, Removed> = {
  name: 'remove-cluster',
  parameters: parametersOf<RemoveCluster>({ cluster: TEXT, uid: TEXT }),
  behaviour,
  byHand: {
    say(component, { site, parameters: { cluster, uid } }, around) {
      const { kubectl } = clusterShell(component, { site, cluster }, around)
      return {
        commands: [
          `${kubectl} get cluster ${cluster} -o jsonpath='{.metadata.uid}'   # must be ${uid}`,
          `${kubectl} delete cluster ${cluster} --cascade=foreground`,
          `${kubectl} get pod,pvc -l cnpg.io/cluster=${cluster}`,
        ],
        expect: 'No resources found.',
        never: 'Delete the cluster of the active site. Read the context once more.',
      }
    },
  },
}
