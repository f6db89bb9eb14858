import { asStandbyError } from '../../../errors.ts'
import type { SiteName } from '../../../stack/stack.ts'
import { forkOf } from '../failover/forks.ts'
import { type ClusterObject, readCluster, serverNameOf, serverNameOfPeer } from '../objects.ts'
import { clusterOf, firstServerName, nextServerName } from '../spec.ts'
import type { Archive } from './manifests.ts'
import type { Place } from './place.ts'

/**
 * Where every site archives: as its own cluster says; where there is none, as the others were told, or under the next name when that history was
 * cut off. The word of the active site comes first. A site that is silent, and not the one at hand, is taken by what the others were told.
 */
export async function archivesOf(place: Place, serverNames: Readonly<Record<string, string>> = {}): Promise<Archive[]> {
  const { component, context, deployment } = place
  const live = await Promise.all(context.stack.sites.map(({ name }) => clusterAt(place, name)))
  const byAuthority = context.stack.sites
    .map(({ name }, index) => ({ name, cluster: live[index] ?? null }))
    .sort((a, b) => Number(deployment.roleOf(b.name) === 'active') - Number(deployment.roleOf(a.name) === 'active'))
  return Promise.all(
    context.stack.sites.map(async ({ name: site }, index) => {
      const cluster = clusterOf(component, site)
      const own = live[index] ?? null
      const told = byAuthority.flatMap(({ cluster: other }) =>
        other === null || other === 'silent' ? [] : (serverNameOfPeer(other, cluster) ?? []),
      )
      const said = (own === null || own === 'silent' ? null : serverNameOf(own)) ?? told[0] ?? firstServerName(cluster)
      const cutOff = own === null && (await forkOf(component, said, context)) !== null
      return {
        site,
        location: context.objectStore(component.spec.archive.store, site).location,
        serverName: serverNames[site] ?? (cutOff ? nextServerName(cluster, [said]) : said),
      }
    }),
  )
}

/** Null where there is none. */
async function clusterAt({ component, context, deployment, site: here }: Place, site: SiteName): Promise<ClusterObject | 'silent' | null> {
  try {
    return await readCluster(context.kubernetes(site), component.spec.namespace, clusterOf(component, site), context.signal)
  } catch (error) {
    if (site === here || deployment.roleOf(site) === 'active' || asStandbyError(error).retry === 'never') throw error
    return 'silent'
  }
}
