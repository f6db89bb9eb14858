import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import { type InstanceStatus, POD, readInstance } from '../objects.ts'
import { type ClusterRun, type Failed, kubernetesOf, namespaceOf, siteOf } from '../run.ts'

/** What is known of the PostgreSQL in one pod. */
export type Instance =
  | { readonly stopped: StoppedInstance }
  /** What a step waits for. */
  | { readonly running: string }
  /** Why it does not answer. */
  | { readonly silent: string }
  /** Why it cannot answer, however long one waits. */
  | { readonly unseen: string }
export type StoppedInstance = {
  readonly pod: string
  /** How its instance manager reports that the server is gone. */
  readonly says: string
}

/**
 * Pods of the instances of the Cluster of the step. One whose containers have all ended runs nothing, and is left out.
 */
export async function instancePods(run: ClusterRun): Promise<KubernetesObject[]> {
  const labelSelector = `cnpg.io/cluster=${run.step.parameters.cluster},cnpg.io/podRole=instance`
  const pods = await kubernetesOf(run).list(POD, { namespace: namespaceOf(run), labelSelector }, { signal: run.signal })
  return pods.filter(
    ({ status }) => !['Failed', 'Succeeded'].includes((status as { phase?: string } | undefined)?.phase ?? ''),
  )
}

/**
 * The report of the instance manager, which tries its own server over a local socket. It reports "might be unavailable"
 * from the moment at which the fence begins; only the failed connection shows that the server is gone. Phase and Ready
 * go on saying healthy (measured).
 */
export async function lookAtInstance(run: ClusterRun, pod: KubernetesObject): Promise<Instance> {
  const { name } = pod.metadata
  const says = await readInstance(kubernetesOf(run), namespaceOf(run), name, run.signal)
  if (says === null)
    return isCutOff(run, pod)
      ? { unseen: `${name} is not ready, and its instance manager does not answer` }
      : { silent: `the instance manager of ${name} does not answer` }
  const why = unavailable(says)
  return why === null ? { running: `PostgreSQL in ${name} to stop` } : { stopped: { pod: name, says: why } }
}

/** Why not every instance is known to have stopped; null once all have. */
export function notYetStopped(
  run: ClusterRun,
  instances: readonly Instance[],
):
  | Failed
  | { readonly is: 'pending'; readonly waitingFor: string }
  | { readonly is: 'unknown'; readonly why: string }
  | null {
  for (const instance of instances)
    if ('unseen' in instance)
      return {
        is: 'failed',
        code: 'fence-unproven',
        why: `${instance.unseen}: it is unknown whether PostgreSQL has stopped`,
        next: `Look at the node under it, or switch ${siteOf(run)} off; the fence holds as soon as the node is back.`,
      }
  for (const instance of instances) if ('running' in instance) return { is: 'pending', waitingFor: instance.running }
  // The fence is set, and it may have stopped: a later look at this step must not take the fence for an open one.
  for (const instance of instances) if ('silent' in instance) return { is: 'unknown', why: instance.silent }
  return null
}

/**
 * Why the server does not answer; null while it does, or while it is only on its way down. Only a socket on which no
 * process listens counts: a connection that was ended, or refused by the server itself, comes from a server that may
 * still be finishing a commit (seen).
 */
export function unavailable(says: InstanceStatus): string | null {
  const error = says.mightBeUnavailable === true ? (says.mightBeUnavailableMaskedError ?? '') : ''
  return /no such file or directory|connection refused/i.test(error) ? error : null
}

/**
 * A dead node leaves its pods "Running", and takes them out of Ready once its kubelet has been silent for the grace
 * period (40 to 50 s, node lifecycle controller). With a silent instance manager as well, nothing there can prove
 * anything, however long one waits. A pod that is Ready is waited for.
 */
export function isCutOff(run: ClusterRun, pod: KubernetesObject): boolean {
  const ready = conditionOf(pod, 'Ready')
  return ready !== undefined && ready.status !== 'True' && runningFor(run) >= patienceOf(run)
}

/**
 * An instance manager that restarts is back in seconds. Users wait for a failover; after it they do not, and a site
 * that has just come back needs more.
 */
const patienceOf = ({ intent }: ClusterRun): Milliseconds => (intent?.mode === 'failover' ? seconds(20) : minutes(2))
