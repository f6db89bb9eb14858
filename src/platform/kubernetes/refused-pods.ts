import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { AnyReasonCode } from '../../errors/reason-codes.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { conditionOf } from './client/conditions.ts'

/** A controller may not create its pods: pod security, a quota, a webhook refuses them. */
export interface RefusedPods {
  readonly why: string
  /** It was refused again and again, for longer than a transient trouble takes. */
  readonly lasts: boolean
}

const EVENT = { apiVersion: 'v1', kind: 'Event', plural: 'events' } as const
const TRANSIENT: Milliseconds = seconds(20)

/**
 * Why the API server refuses the pods of a workload; null: it does not, or the identity may not see it. A Deployment
 * has a condition for it; for a StatefulSet and a Job there are only events, of which the newest about a creation
 * counts: an older refusal may be over.
 */
export async function refusedPods(
  kubernetes: KubernetesClient,
  workload: KubernetesObject,
  signal: AbortSignal,
): Promise<RefusedPods | null> {
  const said = conditionOf(workload, 'ReplicaFailure')
  if (said?.status === 'True')
    return { why: said.message ?? said.reason ?? 'its pods are refused', lasts: lasting(said.lastTransitionTime) }
  const { name, namespace = '', uid } = workload.metadata
  try {
    const events = await kubernetes.list(
      EVENT,
      { namespace, fieldSelector: `involvedObject.name=${name}` },
      { signal, deadline: seconds(2) },
    )
    const ours = events
      .map((event) => event as unknown as EventObject)
      .filter(({ involvedObject, reason }) => involvedObject?.uid === uid && CREATION.has(reason ?? ''))
      .sort((a, b) => lastOf(a) - lastOf(b))
    const newest = ours.at(-1)
    if (newest === undefined || newest.reason !== 'FailedCreate') return null
    // Each try of a Job has another name of a pod in its message, and so an event of its own.
    const refusals = ours.slice(ours.findLastIndex(({ reason }) => reason === 'SuccessfulCreate') + 1)
    const since = Math.min(...refusals.map(firstOf))
    return { why: newest.message ?? 'its pods are refused', lasts: lastOf(newest) - since >= TRANSIENT }
  } catch (error) {
    signal.throwIfAborted()
    if (asStandbyError(error).mustAct === 'defect') throw error
    return null
  }
}

export type WaitOfRefused<Code> =
  | { readonly is: 'pending'; readonly waitingFor: string }
  | { readonly is: 'failed'; readonly code: Code; readonly why: string; readonly next: string }

/**
 * What a wait for a workload says of its refused pods: pending while the refusal may pass, failed once it lasts; null:
 * they are not refused.
 */
export async function waitOfRefused<Code extends AnyReasonCode>(
  kubernetes: KubernetesClient,
  workload: KubernetesObject | null,
  naming: { readonly what: string; readonly code: Code; readonly next?: string },
  signal: AbortSignal,
): Promise<WaitOfRefused<Code> | null> {
  const refused = workload === null ? null : await refusedPods(kubernetes, workload, signal)
  if (refused === null) return null
  if (!refused.lasts) return { is: 'pending', waitingFor: `${naming.what}, whose pod is refused: ${refused.why}` }
  const namespace = workload?.metadata.namespace ?? ''
  return {
    is: 'failed',
    code: naming.code,
    why: `${naming.what}: its pod is refused: ${refused.why}`,
    next:
      naming.next ??
      `Look at what the namespace allows: kubectl -n ${namespace} get resourcequota,limitrange; kubectl get namespace ${namespace} --show-labels`,
  }
}

const CREATION = new Set(['FailedCreate', 'SuccessfulCreate'])

interface EventObject {
  readonly reason?: string
  readonly message?: string
  readonly involvedObject?: { readonly uid?: string }
  readonly firstTimestamp?: string | null
  readonly lastTimestamp?: string | null
  readonly eventTime?: string | null
}
const firstOf = ({ firstTimestamp, eventTime }: EventObject): number => Date.parse(firstTimestamp ?? eventTime ?? '')
const lastOf = ({ lastTimestamp, eventTime, firstTimestamp }: EventObject): number =>
  Date.parse(lastTimestamp ?? eventTime ?? firstTimestamp ?? '') || 0

/** A condition stands until a creation succeeds; how long is counted by the clock of this machine, roughly. */
const lasting = (since: string | undefined): boolean =>
  since !== undefined && Date.now() - Date.parse(since) >= TRANSIENT
