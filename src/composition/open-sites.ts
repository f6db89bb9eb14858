import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import { inputError } from '../errors/standby-error.ts'
import type { KubernetesAccess } from '../platform/kubernetes/client/link.ts'
import { openKubernetes } from '../platform/kubernetes/client/open.ts'
import { declaredCluster } from '../platform/kubernetes/declared-cluster.ts'
import { type CredentialSources, localCredential } from './credentials.ts'

export type SiteAccess = Pick<KubernetesAccess, 'login' | 'mask' | 'signal'>

/**
 * The clients of all clusters, by site; contacts nothing yet. The lookup throws `unknown-site`, and `platform-missing`
 * for a site without a cluster.
 */
export function openClusters(
  stack: Stack,
  sources: CredentialSources,
  access: SiteAccess,
): (site: SiteName) => KubernetesClient {
  const clients = new Map(
    stack.sites.flatMap((site) => {
      const cluster = declaredCluster(site)
      if (cluster === undefined) return []
      const kubeconfig = localCredential(cluster.kubeconfig, sources)
      const client = openKubernetes({ site: site.name, kubeconfig, context: cluster.context, ...access })
      return [[site.name, client] as const]
    }),
  )
  return (name) => {
    const client = clients.get(name)
    if (client !== undefined) return client
    if (stack.sites.some((site) => site.name === name))
      throw inputError('platform-missing', `${name} declares no Kubernetes cluster`, { where: `sites.${name}` })
    throw inputError('unknown-site', `${stack.name} has no site ${name}`)
  }
}
