import { ensureProgram } from './binaries/build.ts'
import { ensureCachedParts } from './cached-parts.ts'
import { killGroup, setFrozen } from './cgroup.ts'
import { ensureNginxTree } from './images/nginx-tree.ts'
import { labIsOfMachines } from './lab-kind.ts'
import { bootMachine, untilMachineWorks } from './machines/machine.ts'
import { ensureMachineTree } from './machines/tree.ts'
import { cutLink, joinLink, narrowLink, widenLink } from './network/host-namespace.ts'
import { quickenLink, SLOW, type Slowness, slowLink } from './network/slow-link.ts'
import { presentSites } from './present.ts'
import type { Progress } from './progress.ts'
import { answerUnavailable, endUnavailable } from './site/control-plane.ts'
import { startDaemons, untilSiteWorks } from './site/start.ts'
import { startRecycler } from './site/volumes.ts'
import {
  type HostName,
  type LoadBalancerName,
  loadBalancerNames,
  type MachineName,
  machineNames,
  type NginxName,
  nginxNames,
  type SiteName,
  siteNames,
} from './topology.ts'
import { startDns } from './wan/dns.ts'
import { startGithub } from './wan/github.ts'
import { clustersServed, machinesServed } from './wan/haproxy-configuration.ts'
import { startLoadBalancer } from './wan/load-balancer.ts'
import { startNginxHost } from './wan/nginx-host.ts'
import { startS3, startSecureS3 } from './wan/s3.ts'

export const outageKinds = ['cut', 'freeze', 'kill', 'unavailable', 'narrow', 'slow'] as const
export type OutageKind = (typeof outageKinds)[number]

/**
 * Takes a host away: `cut` loses its packets, `freeze` stops its processes with sockets open, `kill` ends them all,
 * containers included: to a machine it is a power cut. `unavailable` does so to a cluster and answers 503 in the place
 * of its API server; `narrow` lets 16 Mbit/s through, `slow` passes every packet on late and loses some.
 */
export async function strike(
  host: HostName,
  how: OutageKind,
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
      if (!isCluster(host))
        throw new Error(`${host} has no API server that could be unavailable: name one of ${siteNames.join(', ')}`)
      await killGroup(host)
      return answerUnavailable(host)
    case 'narrow':
      return narrowLink(host)
    case 'slow':
      return slowLink(host, await ensureProgram('slow-link', signal), slowness)
    default:
      how satisfies never
  }
}

/**
 * Gives a host back: link up, processes running, killed ones started again from what is on its disk; returns when it
 * works.
 */
export async function heal(host: HostName, progress: Progress, signal: AbortSignal): Promise<void> {
  await joinLink(host)
  await widenLink(host)
  await quickenLink(host)
  await setFrozen(host, false)
  const restart = labIsOfMachines() ? restartOfMachines : restartOfClusters
  await progress.step(`${host} healed`, () => restart(host, progress, signal))
}

async function restartOfClusters(host: HostName, progress: Progress, signal: AbortSignal): Promise<void> {
  const parts = await ensureCachedParts(progress, signal)
  if (isCluster(host)) {
    await endUnavailable(host)
    const since = new Date()
    const killed = await startDaemons(host, parts, progress, signal)
    await startRecycler(host)
    await untilSiteWorks(host, parts.binaries, killed ? since : undefined, signal)
  } else if (isLoadBalancer(host))
    await startLoadBalancer(host, parts.catalogue.debian.tree, clustersServed(presentSites()), signal)
  else if (isNginx(host)) await startNginxHost(host, await ensureNginxTree(progress, signal), signal)
  else if (host === 'dns') await startDns(signal)
  else if (host === 's3') await startS3(parts.binaries, signal)
  else await startGithub()
}

async function restartOfMachines(host: HostName, progress: Progress, signal: AbortSignal): Promise<void> {
  if (isMachine(host)) {
    await bootMachine(host, await ensureMachineTree(progress, signal))
    await untilMachineWorks(host, signal)
  } else if (isLoadBalancer(host))
    await startLoadBalancer(host, await ensureMachineTree(progress, signal), machinesServed(siteNames), signal)
  else if (host === 's3') {
    const binaries = { versitygw: await ensureProgram('versitygw', signal) }
    await startS3(binaries, signal)
    await startSecureS3(binaries, signal)
  } else await startGithub()
}

const isCluster = (host: HostName): host is SiteName =>
  (siteNames as readonly HostName[]).includes(host) && !labIsOfMachines()
const isMachine = (host: HostName): host is MachineName => (machineNames as readonly HostName[]).includes(host)
const isLoadBalancer = (host: HostName): host is LoadBalancerName =>
  (loadBalancerNames as readonly HostName[]).includes(host)
const isNginx = (host: HostName): host is NginxName => (nginxNames as readonly HostName[]).includes(host)
