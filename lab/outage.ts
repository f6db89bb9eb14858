import { ensureCachedParts } from './cached-parts.ts'
import { killGroup, setFrozen } from './cgroup.ts'
import { cutLink, joinLink, narrowLink, widenLink } from './network/host-namespace.ts'
import { quickenLink, SLOW, type Slowness, slowLink } from './network/slow-link.ts'
import { presentSites } from './present.ts'
import type { Progress } from './progress.ts'
import { answerUnavailable, endUnavailable } from './site/control-plane.ts'
import { startDaemons, untilSiteWorks } from './site/start.ts'
import { startRecycler } from './site/volumes.ts'
import { type HostName, type LoadBalancerName, loadBalancerNames, type SiteName, siteNames } from './topology.ts'
import { startGithub } from './wan/github.ts'
import { startLoadBalancer } from './wan/load-balancer.ts'
import { startS3 } from './wan/s3.ts'

export const outageKinds = ['cut', 'freeze', 'kill', 'unavailable', 'narrow', 'slow'] as const
export type OutageKind = (typeof outageKinds)[number]

/**
 * Takes a host away: `cut` loses its packets, `freeze` stops its processes with sockets open, `kill` ends them all,
 * containers included, `unavailable` does so to a site and answers 503 in the place of its API server; `narrow` lets 16
 * Mbit/s through, `slow` passes every packet on late and loses some.
 */
export async function strike(
  host: HostName,
  how: OutageKind,
  progress: Progress,
  signal: AbortSignal,
  slowness: Slowness = SLOW,
): Promise<void> {
  switch (how) {
    case 'cut':
      await cutLink(host)
      return
    case 'freeze':
      return setFrozen(host, true)
    case 'kill':
      return killGroup(host)
    case 'unavailable':
      if (!isSite(host))
        throw new Error(`${host} has no API server that could be unavailable: name one of ${siteNames.join(', ')}`)
      await killGroup(host)
      return answerUnavailable(host)
    case 'narrow':
      return narrowLink(host)
    case 'slow': {
      const { binaries } = await ensureCachedParts(progress, signal)
      return slowLink(host, binaries['slow-link'], slowness)
    }
    default:
      how satisfies never
  }
}

/**
 * Gives a host back: link up, processes running, killed ones started again from what is on its disk; returns when it
 * works.
 */
export async function heal(host: HostName, progress: Progress, signal: AbortSignal): Promise<void> {
  const parts = await ensureCachedParts(progress, signal)
  await joinLink(host)
  await widenLink(host)
  await quickenLink(host)
  await setFrozen(host, false)
  await progress.step(`${host} healed`, async () => {
    if (isSite(host)) {
      await endUnavailable(host)
      const since = new Date()
      const killed = await startDaemons(host, parts, progress, signal)
      await startRecycler(host)
      await untilSiteWorks(host, parts.binaries, killed ? since : undefined, signal)
    } else if (isLoadBalancer(host)) await startLoadBalancer(host, parts.catalogue.debian.tree, presentSites(), signal)
    else if (host === 's3') await startS3(parts.binaries, signal)
    else await startGithub()
  })
}

const isSite = (host: HostName): host is SiteName => (siteNames as readonly HostName[]).includes(host)
const isLoadBalancer = (host: HostName): host is LoadBalancerName =>
  (loadBalancerNames as readonly HostName[]).includes(host)
