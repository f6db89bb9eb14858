import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { SshAccess, SshRunner } from '../clients/ssh.ts'
import type { CredentialReference, SiteName, Stack } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { PlatformKey } from '../driver/platform-key.ts'
import { inputError } from '../errors/standby-error.ts'
import { HOSTS, openHosts } from '../platform/hosts/client.ts'
import type { KubernetesAccess } from '../platform/kubernetes/client/link.ts'
import { openKubernetes } from '../platform/kubernetes/client/open.ts'
import { declaredCluster } from '../platform/kubernetes/declared-cluster.ts'
import { KUBERNETES } from '../platform/kubernetes/key.ts'
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

/** The clients of all platforms, by key and site; contacts nothing yet. Throws `platform-missing`, `unknown-site`. */
export function openPlatforms(
  stack: Stack,
  sources: CredentialSources,
  clusterAt: (site: SiteName) => KubernetesClient,
  ssh: (access: SshAccess) => SshRunner,
): DriverContext['platform'] {
  const hosts = new Map(
    stack.sites.map((site) => {
      const credential = async (reference: CredentialReference): Promise<string> => localCredential(reference, sources)
      return [site.name, openHosts(site, { ssh, credential })] as const
    }),
  )
  return <Client>({ platform }: PlatformKey<Client>, site: SiteName): Client => {
    if (platform === KUBERNETES.platform) return clusterAt(site) as Client
    const client = platform === HOSTS.platform ? hosts.get(site) : undefined
    if (client === undefined || client === null)
      throw inputError('platform-missing', `${site} declares no ${platform}`, { where: `sites.${site}` })
    return client as Client
  }
}
