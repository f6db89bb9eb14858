import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'

/** One of `status.conditions`, where objects of Kubernetes and of its operators say how they are. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

/** Undefined where the object is not there, or says nothing of it. */
export function conditionOf(object: KubernetesObject | null | undefined, type: string): Condition | undefined {
  const { conditions = [] } = (object?.status ?? {}) as { readonly conditions?: readonly Condition[] }
  return conditions.find((condition) => condition.type === type)
}

/** Whether a pod takes requests, or a node pods, by its own word. */
export const isReady = (object: KubernetesObject | null | undefined): boolean =>
  conditionOf(object, 'Ready')?.status === 'True'
