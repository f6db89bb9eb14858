import { mkdir } from 'node:fs/promises'
import { provideApplication } from './application-image.ts'
import { ensureCachedParts } from './cached-parts.ts'
import { coveredBySites, ensureCoveredDirectories } from './covered-directories.ts'
import { writeLabEnvironment } from './environment.ts'
import { describeLab } from './facts.ts'
import { prepareKernelSettings } from './kernel-settings.ts'
import { ensureBridge, ensureNamespace } from './network/host-namespace.ts'
import { quickenLink } from './network/slow-link.ts'
import { nginxAndDnsArePresent, presentHosts, presentSites } from './present.ts'
import type { Progress } from './progress.ts'
import { startSite } from './site/start.ts'
import { type HostName, runDirectory, siteNames } from './topology.ts'
import { startGithub } from './wan/github.ts'
import { clustersServed } from './wan/haproxy-configuration.ts'
import { startLoadBalancers } from './wan/load-balancer.ts'
import { startNginxAndDns } from './wan/nginx-and-dns.ts'
import { startS3 } from './wan/s3.ts'

/** What is asked for; a lab that has more keeps it. */
export interface Asked {
  readonly sites: number
  readonly nginxAndDns: boolean
}

/**
 * Brings the whole lab up with what is asked for; each step finds out what is there already, so an interrupted `up`
 * continues where it was.
 */
export async function bringUp(asked: Asked, progress: Progress, signal: AbortSignal): Promise<void> {
  const sites = siteNames.slice(0, Math.max(asked.sites, presentSites().length))
  const parts = await ensureCachedParts(progress, signal)
  const { binaries, catalogue } = parts
  await mkdir(runDirectory, { recursive: true, mode: 0o700 })
  await prepareKernelSettings()
  await ensureCoveredDirectories(coveredBySites)
  await progress.step('network', async () => {
    await ensureBridge()
    const hosts = [...new Set<HostName>([...sites, ...presentHosts()])]
    await Promise.all(hosts.map(quickenLink))
    await Promise.all(hosts.map(ensureNamespace))
  })
  const [s3Keys, githubUrl] = await Promise.all([
    progress.step('S3', () => startS3(binaries, signal)),
    startGithub(),
    progress.step('load balancers', () => startLoadBalancers(catalogue.debian.tree, clustersServed(sites), signal)),
    ...sites.map((site) => startSite(site, parts, progress, signal)),
  ])
  const nginxAndDns =
    asked.nginxAndDns || nginxAndDnsArePresent() ? await startNginxAndDns(sites, progress, signal) : undefined
  const known = { sites, binaries, catalogue, s3Keys, githubUrl, nginxAndDns }
  await writeLabEnvironment(await describeLab(known, signal))
  await progress.step('application image', () => provideApplication(catalogue, sites, signal))
}
