import type { SiteName } from '../../../domain/stack.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { type ClusterObject, readCluster, serverNameOfPeer } from '../objects.ts'
import { clusterOf } from '../spec.ts'
import type { Place } from './place.ts'

/** The Cluster of a site as it is live. */
export interface LiveCluster {
  readonly site: SiteName
  /** null: there is none. */
  readonly cluster: ClusterObject | 'silent' | null
}

/**
 * Those of all sites, in the order of the stack. Throws for the site at hand and for the active one; another one may be
 * silent.
 */
export function liveClusters(place: Place): Promise<LiveCluster[]> {
  return Promise.all(
    place.context.stack.sites.map(async ({ name }) => ({ site: name, cluster: await clusterAt(place, name) })),
  )
}

async function clusterAt(
  { component, context, deployment, site: here }: Place,
  site: SiteName,
): Promise<LiveCluster['cluster']> {
  try {
    return await readCluster(
      context.platform(KUBERNETES, site),
      component.spec.namespace,
      clusterOf(component, site),
      context.signal,
    )
  } catch (error) {
    if (site === here || deployment.roleOf(site) === 'active' || asStandbyError(error).retry === 'never') throw error
    return 'silent'
  }
}

/** Under which name a site archives, as the other sites know it; what the active one says comes first. */
export function knownAsOf(
  live: readonly LiveCluster[],
  { component, deployment }: Place,
  site: SiteName,
): string | null {
  const isActive = (one: LiveCluster): number => Number(deployment.roleOf(one.site) === 'active')
  const others = live.filter((one) => one.site !== site).sort((a, b) => isActive(b) - isActive(a))
  const cluster = clusterOf(component, site)
  const names = others.flatMap((one) =>
    one.cluster === null || one.cluster === 'silent' ? [] : (serverNameOfPeer(one.cluster, cluster) ?? []),
  )
  return names[0] ?? null
}
