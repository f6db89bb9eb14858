import type { Binaries } from './binaries/build.ts'
import type { LabEnvironment, LabNginxAndDns, LabSite } from './environment.ts'
import { applicationImageNames, type Catalogue } from './images/catalogue.ts'
import { kubectlOf } from './site/kubectl.ts'
import { adminKubeconfigOf } from './site/pki.ts'
import { addressOf, apiServerOf, loadBalancerNames, type SiteName } from './topology.ts'
import { clustersServed } from './wan/haproxy-configuration.ts'
import { describeLoadBalancer } from './wan/load-balancer.ts'
import { type S3Keys, s3Endpoint, s3Region } from './wan/s3.ts'
import { bucketNames } from './wan/s3-policies.ts'

export interface Known {
  readonly sites: readonly SiteName[]
  readonly binaries: Binaries
  readonly catalogue: Catalogue
  readonly s3Keys: S3Keys
  readonly githubUrl: string | undefined
  readonly nginxAndDns: LabNginxAndDns | undefined
}

/** Gathers what others need to know of the lab that has just come up. */
export async function describeLab(
  { sites, binaries, catalogue, s3Keys, githubUrl, nginxAndDns }: Known,
  signal: AbortSignal,
): Promise<LabEnvironment> {
  return {
    schemaVersion: 1,
    sites: await Promise.all(sites.map((site) => describeSite(site, binaries, signal))),
    s3: { endpoint: s3Endpoint, region: s3Region, ...s3Keys, buckets: bucketNames },
    loadBalancers: loadBalancerNames.map((name) => describeLoadBalancer(name, clustersServed(sites))),
    ...(nginxAndDns === undefined ? {} : { nginxAndDns }),
    ...(githubUrl === undefined ? {} : { githubUrl }),
    images: { ...catalogue.names, ...applicationImageNames },
    programs: { kubectl: binaries.kubectl, helm: binaries.helm, act: binaries.act },
  }
}

async function describeSite(site: SiteName, binaries: Binaries, signal: AbortSignal): Promise<LabSite> {
  const kubectl = kubectlOf(site, binaries, signal)
  const clusterId = (await kubectl(['get', 'namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}'])).trim()
  return {
    name: site,
    apiServer: apiServerOf(site),
    kubeconfig: adminKubeconfigOf(site),
    clusterId,
    address: addressOf[site],
    nodePorts: { first: 30_000, last: 32_767 },
  }
}
