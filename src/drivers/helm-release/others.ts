import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import { seconds } from '../../values/duration.ts'
import type { Application } from './spec.ts'

/** Kinds that may write beside the declared workload. */
const KINDS = [
  { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets' },
  { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs' },
] as const

/** Shorter than an observation may take: a site does not look silent because this list is slow. */
const LISTED_WITHIN = seconds(1)

/**
 * What else the release runs now, such as `Deployment/worker`: no step of a move stops it, and no fence shuts it. Helm
 * labels all that it installs. Empty for an identity that may not list, such as a guard.
 */
export async function othersOf(
  kubernetes: KubernetesClient,
  component: Application,
  signal: AbortSignal,
): Promise<string[]> {
  const { namespace, release, workload } = component.spec
  const found = await Promise.all(
    KINDS.map(async (kind) => {
      try {
        const objects = await kubernetes.list(
          kind,
          { namespace, labelSelector: 'app.kubernetes.io/managed-by=Helm' },
          { signal, deadline: LISTED_WITHIN },
        )
        return objects
          .filter((object) => isOf(object, release) && runs(object))
          .map(({ metadata }) => `${kind.kind}/${metadata.name}`)
      } catch {
        return []
      }
    }),
  )
  return found.flat().filter((name) => name !== `${workload.kind}/${workload.name}`)
}

const isOf = ({ metadata }: KubernetesObject, release: string): boolean =>
  metadata.annotations?.['meta.helm.sh/release-name'] === release

const runs = ({ spec }: KubernetesObject): boolean => {
  const { replicas, suspend } = spec as { readonly replicas?: number; readonly suspend?: boolean }
  return replicas !== 0 && suspend !== true
}
