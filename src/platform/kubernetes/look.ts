import { setTimeout as pause } from 'node:timers/promises'
import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { Site } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { Identified, PlatformView, Reached } from '../platform.ts'
import { isReady } from './client/conditions.ts'
import { declaredCluster } from './declared-cluster.ts'
import { KUBERNETES } from './key.ts'

/** The API server of a site: its way, its login, and who it says that it is. Contacts nothing yet. */
export function reachCluster(site: Site, context: DriverContext): Reached {
  const kubernetes = context.platform(KUBERNETES, site.name)
  return {
    ...(kubernetes.contact === undefined ? {} : { contact: kubernetes.contact }),
    signIn: async () => kubernetes.signIn?.(),
    look: (signal) => lookAt(kubernetes, site, signal),
    identify: () => identify(kubernetes, site),
  }
}

async function identify(kubernetes: KubernetesClient, site: Site): Promise<Identified> {
  const found = await kubernetes.clusterId()
  const declared = declaredCluster(site)?.clusterId ?? 'not declared'
  return { isDeclared: found === declared, found: `cluster ${found}`, declared: `cluster ${declared}` }
}

async function lookAt(kubernetes: KubernetesClient, site: Site, signal: AbortSignal): Promise<PlatformView> {
  const begun = performance.now()
  const nodes = seeNodes(kubernetes, signal)
  const [identity, version] = await Promise.all([kubernetes.clusterId(), kubernetes.version()])
  if (identity !== declaredCluster(site)?.clusterId) return { kind: 'stranger', identity }
  const latency = Math.round(performance.now() - begun)
  const patience = NODES_WITHIN + 3 * (kubernetes.contact?.roundTrip ?? 0)
  const parts = await Promise.race([nodes, pause(patience, null, { ref: false })])
  return { kind: 'answering', identity, version, latency, ...(parts === null ? {} : { parts }) }
}

/** Counted after the API server has answered: a site is not silent because its nodes could not be listed. */
const NODES_WITHIN: Milliseconds = seconds(1)
const NODE = { apiVersion: 'v1', kind: 'Node', plural: 'nodes' } as const

/** null where listing is not allowed: then an API server that answers counts for all of its site. */
async function seeNodes(
  kubernetes: KubernetesClient,
  signal: AbortSignal,
): Promise<{ readonly ready: number; readonly total: number } | null> {
  try {
    const nodes = await kubernetes.list(NODE, {}, { signal })
    return { ready: nodes.filter(isReady).length, total: nodes.length }
  } catch {
    return null
  }
}
