import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Seen } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { conditionOf } from '../../platform/kubernetes/client/conditions.ts'
import { type AsSeen, asSeen } from '../../platform/kubernetes/compare-and-set.ts'
import { controllersOf, type OtherController, writerOf } from '../../platform/kubernetes/field-managers.ts'
import { refusedPods } from '../../platform/kubernetes/refused-pods.ts'
import { isHopeless, type WaitingContainer } from '../../platform/kubernetes/waiting-container.ts'
import { codes } from './codes.ts'
import { type Application, workloadRef } from './spec.ts'

export const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' } as const
const REPLICA_SET = { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets' } as const
const REVISION = 'deployment.kubernetes.io/revision'

/** The declared and the actual state of the workload. */
export interface WorkloadView {
  readonly declared: number
  readonly ready: number
  readonly pods: number
  readonly image: string
  readonly settled: boolean
}
export interface SeenWorkload extends WorkloadView {
  /** Other controllers that manage the workload. */
  readonly controllers: readonly OtherController[]
  /** The precondition of a change of its size. */
  readonly seen: AsSeen
  /** The manager that set its size last, other than Standby; null: none did. */
  readonly scaledBy: string | null
  /**
   * Whether its rollouts may run one pod more than it has replicas, so that it tolerates one. A StatefulSet does not:
   * it would make a volume that stays.
   */
  readonly surges: boolean
  /** How to pause the controller that manages its size; null: no way is known. */
  readonly pause: string | null
}

/** The field that a move changes. */
export const REPLICAS = ['spec', 'replicas'] as const

export async function readWorkload(
  kubernetes: KubernetesClient,
  component: Application,
  signal: AbortSignal,
): Promise<SeenWorkload | null> {
  const found = await kubernetes.get(workloadRef(component), { signal })
  return found === null ? null : viewOf(component, found)
}

function viewOf(component: Application, found: KubernetesObject): SeenWorkload {
  const spec = found.spec as {
    replicas?: number
    template?: { spec?: { containers?: readonly { name: string; image: string }[] } }
  }
  const status = (found.status ?? {}) as {
    replicas?: number
    readyReplicas?: number
    updatedReplicas?: number
    observedGeneration?: number
  }
  const declared = spec.replicas ?? 1
  const containers = spec.template?.spec?.containers ?? []
  return {
    seen: asSeen(found),
    scaledBy: writerOf(found, REPLICAS),
    controllers: controllersOf(found, REPLICAS),
    pause: controllersOf(found, REPLICAS).find(({ writes }) => writes)?.pause ?? null,
    surges: component.spec.workload.kind === 'Deployment' && surges(found),
    declared,
    ready: status.readyReplicas ?? 0,
    pods: status.replicas ?? 0,
    image:
      (containers.find((container) => container.name === component.spec.workload.container) ?? containers[0])?.image ??
      '',
    settled:
      status.observedGeneration === found.metadata.generation &&
      (status.readyReplicas ?? 0) >= declared &&
      (status.updatedReplicas ?? 0) >= declared &&
      (status.replicas ?? 0) === declared,
  }
}

/**
 * False for strategy `Recreate`, such as with a volume that only one pod may hold. The API server fills in the default:
 * 25 %, rounded up. Pure.
 */
function surges({ spec }: KubernetesObject): boolean {
  const { strategy } = spec as {
    readonly strategy?: { readonly type?: string; readonly rollingUpdate?: { readonly maxSurge?: number | string } }
  }
  const most = strategy?.rollingUpdate?.maxSurge
  return strategy?.type !== 'Recreate' && most !== 0 && most !== '0%'
}

/**
 * The pods of the workload that exist, ending and ended ones included: replicas 0 alone does not prove that no pod
 * writes. Null where its selector cannot be put into a query: then they are unknown.
 */
export async function podsOf(
  kubernetes: KubernetesClient,
  component: Application,
  signal: AbortSignal,
): Promise<KubernetesObject[] | null> {
  const found = await kubernetes.get(workloadRef(component), { signal })
  return found === null ? [] : selectedBy(kubernetes, POD, found, signal)
}

/**
 * Whether something of a pod may still run. A pod that the node has ended for good stays in sight a while, or until
 * it is removed (evicted ones outlive their workload's scale to 0: a ReplicaSet looks at active pods only). The
 * kubelet reports the phases Succeeded and Failed once no container runs, and starts none again (pods on their way out
 * included, since Kubernetes 1.27: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase); a
 * container that is reported as running counts as running anyway. Pure.
 */
export function mayStillRun(pod: KubernetesObject): boolean {
  const { phase = '', initContainerStatuses = [], containerStatuses = [] } = (pod.status ?? {}) as PodStatus
  const ended = phase === 'Succeeded' || phase === 'Failed'
  return !ended || [...initContainerStatuses, ...containerStatuses].some(({ state }) => state?.running !== undefined)
}

export const podsInWords = (count: number): string => (count === 1 ? '1 pod' : `${count} pods`)

/**
 * Yields whenever a pod of the workload appears, changes or goes; never where its selector cannot be put into a query.
 */
export async function* podChanges(
  kubernetes: KubernetesClient,
  component: Application,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const found = await kubernetes.get(workloadRef(component), { signal })
  const labelSelector = found === null ? null : selectorOf(found)
  if (labelSelector !== null)
    yield* kubernetes.watchAll(POD, { namespace: component.spec.namespace, labelSelector }, signal)
}

/**
 * The pods that show whether the current rollout will succeed. A Deployment's pods of an earlier template may be
 * broken for ever, and are about to be removed. A StatefulSet waits for its broken pod instead of replacing it
 * (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback), so there each pod counts.
 */
async function podsOfRollout(
  kubernetes: KubernetesClient,
  component: Application,
  found: KubernetesObject,
  signal: AbortSignal,
): Promise<KubernetesObject[]> {
  const isStatefulSet = component.spec.workload.kind === 'StatefulSet'
  const { generation, annotations } = found.metadata
  if (
    !isStatefulSet &&
    (found.status as { observedGeneration?: number } | undefined)?.observedGeneration !== generation
  )
    return []
  const [all, sets] = await Promise.all([
    selectedBy(kubernetes, POD, found, signal),
    isStatefulSet ? null : selectedBy(kubernetes, REPLICA_SET, found, signal),
  ])
  const pods = (all ?? []).filter((pod) => pod.metadata.deletionTimestamp === undefined)
  if (isStatefulSet) return pods
  const current = (sets ?? []).find((set) => set.metadata.annotations?.[REVISION] === annotations?.[REVISION])
  const hash = current?.metadata.labels?.['pod-template-hash']
  return hash === undefined ? [] : pods.filter((pod) => pod.metadata.labels?.['pod-template-hash'] === hash)
}

async function selectedBy(
  kubernetes: KubernetesClient,
  kind: typeof POD | typeof REPLICA_SET,
  workload: KubernetesObject,
  signal: AbortSignal,
): Promise<KubernetesObject[] | null> {
  const labelSelector = selectorOf(workload)
  if (labelSelector === null) return null
  return kubernetes.list(kind, { namespace: workload.metadata.namespace ?? '', labelSelector }, { signal })
}

const selectorOf = (workload: KubernetesObject): string | null =>
  selectorText((workload.spec as { selector?: Selector } | undefined)?.selector ?? {})

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

/**
 * The selector as a query of the API; null for one that is empty, or has an operator that is unknown here: the query
 * would select too few pods. Pure.
 */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: Selector): string | null {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`)
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'In') return `${key} in (${values.join(',')})`
    if (operator === 'NotIn') return `${key} notin (${values.join(',')})`
    if (operator === 'Exists') return key
    return operator === 'DoesNotExist' ? `!${key}` : null
  })
  const parts = [...labels, ...expressions]
  return parts.length === 0 || parts.includes(null) ? null : parts.join(',')
}

export interface RolledOut extends Proof {
  readonly replicas: number
  readonly ready: number
  readonly image: string
}

/** Whether the rollout is done; a pod that cannot come up is reported at once, with its true reason. */
export async function rollout(
  kubernetes: KubernetesClient,
  component: Application,
  replicas: number | null,
  signal: AbortSignal,
): Promise<Seen<RolledOut, AsSeen>> {
  const found = await kubernetes.get(workloadRef(component), { signal })
  const name = component.spec.workload.name
  if (found === null) return { is: 'pending', waitingFor: `${name} to exist`, due: asSeen(null) }
  const view = viewOf(component, found)
  if (replicas !== null && view.declared !== replicas)
    return { is: 'pending', waitingFor: `${name} to be scaled to ${replicas}`, due: view.seen }
  if (view.settled) return { is: 'done', proof: { replicas: view.declared, ready: view.ready, image: view.image } }
  for (const pod of await podsOfRollout(kubernetes, component, found, signal)) {
    const reason = await fatalReason(kubernetes, pod, signal)
    if (reason !== null)
      return {
        is: 'failed',
        code: codes.code['rollout-failed'],
        why: `${name}: ${reason}`,
        next: `kubectl -n ${component.spec.namespace} describe pod ${pod.metadata.name}`,
      }
  }
  const refused = await refusedPods(kubernetes, found, signal)
  if (refused?.lasts === true)
    return {
      is: 'failed',
      code: codes.code['rollout-failed'],
      why: `${name}: ${refused.why}`,
      next: `kubectl -n ${component.spec.namespace} describe ${component.spec.workload.kind.toLowerCase()} ${name}`,
    }
  const because = refused === null ? '' : `; a pod is refused: ${refused.why}`
  return { is: 'pending', waitingFor: `${name}: ${view.ready} of ${view.declared} ready${because}` }
}

interface PodStatus {
  readonly phase?: string
  readonly containerStatuses?: readonly ContainerStatus[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
}
interface ContainerStatus {
  readonly name: string
  readonly restartCount?: number
  readonly state?: {
    readonly running?: object
    readonly waiting?: WaitingContainer
    readonly terminated?: { readonly exitCode: number }
  }
}

/**
 * Whether a pod waits, after a crash, for longer than users should: the kubelet doubles its pause up to five minutes.
 */
export function waitsAfterCrash(pod: KubernetesObject): boolean {
  const { initContainerStatuses = [], containerStatuses = [] } = (pod.status ?? {}) as PodStatus
  return [...initContainerStatuses, ...containerStatuses].some(
    ({ state }) => state?.waiting?.reason === 'CrashLoopBackOff',
  )
}

/**
 * Reported at once although they may pass: users wait. A first crash may be a database that is not there yet; the
 * second is reported with the end of its log.
 */
const REPORTED_EARLY = new Set(['ErrImagePull', 'CreateContainerError'])

export async function fatalReason(
  kubernetes: KubernetesClient,
  pod: KubernetesObject,
  signal: AbortSignal,
): Promise<string | null> {
  const status = (pod.status ?? {}) as PodStatus
  for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const waiting = container.state?.waiting ?? {}
    const { reason = '', message = '' } = waiting
    if (isHopeless(waiting) || REPORTED_EARLY.has(reason)) return `${container.name}: ${reason} ${message}`.trim()
    if (reason === 'CrashLoopBackOff' && (container.restartCount ?? 0) >= 1) {
      const log = await kubernetes
        .logs(
          { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, container: container.name },
          { tailLines: 5, previous: true, signal },
        )
        .catch(() => '')
      return `${container.name} crashes: ${log.trim().split('\n').join(' | ') || 'no log'}`
    }
  }
  const scheduled = conditionOf(pod, 'PodScheduled')
  return scheduled?.status === 'False' && scheduled.reason === 'Unschedulable'
    ? `${pod.metadata.name} cannot be scheduled: ${scheduled.message ?? ''}`
    : null
}
