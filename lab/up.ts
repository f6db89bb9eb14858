import { mkdir } from 'node:fs/promises'
import { provideApplication } from './application-image.ts'
import { ensureCachedParts } from './cached-parts.ts'
import { coveredBySites, ensureCoveredDirectories } from './covered-directories.ts'
import { writeLabEnvironment } from './environment.ts'
import { describeLab } from './facts.ts'
import { prepareKernelSettings } from './kernel-settings.ts'
import { ensureBridge, ensureNamespace } from './network/host-namespace.ts'
import { quickenLink } from './network/slow-link.ts'
import { presentHosts, presentSites } from './present.ts'
import type { Progress } from './progress.ts'
import { startSite } from './site/start.ts'
import { type HostName, runDirectory, siteNames } from './topology.ts'
import { startGithub } from './wan/github.ts'
import { clustersServed } from './wan/haproxy-configuration.ts'
import { startLoadBalancers } from './wan/load-balancer.ts'
import { startS3 } from './wan/s3.ts'

/**
 * Brings the whole lab up, with so many sites, or as many as there are if those are more; each step finds out what is
 * there already, so an interrupted `up` continues where it was.
 */
export async function bringUp(count: number, progress: Progress, signal: AbortSignal): Promise<void> {
  const sites = siteNames.slice(0, Math.max(count, presentSites().length))
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
  await writeLabEnvironment(await describeLab({ sites, binaries, catalogue, s3Keys, githubUrl }, signal))
  await progress.step('application image', () => provideApplication(catalogue, sites, signal))
}
