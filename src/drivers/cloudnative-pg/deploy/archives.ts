import { forkOf } from '../failover/forks.ts'
import { readCluster, serverNameOf, serverNameOfPeer } from '../objects.ts'
import { clusterOf, firstServerName, nextServerName } from '../spec.ts'
import type { Archive } from './manifests.ts'
import type { Place } from './place.ts'

/** Where every site archives: as its own cluster says; where there is none, as the others were told, or under the next name when that history was cut off. */
export async function archivesOf(place: Place, serverNames: Readonly<Record<string, string>> = {}): Promise<Archive[]> {
  const { component, context } = place
  const live = await Promise.all(
    context.stack.sites.map(({ name }) =>
      readCluster(context.kubernetes(name), component.spec.namespace, clusterOf(component, name), context.signal),
    ),
  )
  return Promise.all(
    context.stack.sites.map(async ({ name: site }, index) => {
      const cluster = clusterOf(component, site)
      const own = live[index] ?? null
      const told = live.flatMap((other) => (other === null ? [] : (serverNameOfPeer(other, cluster) ?? [])))
      const said = (own === null ? null : serverNameOf(own)) ?? told[0] ?? firstServerName(cluster)
      const serverName =
        serverNames[site] ?? (own === null && (await forkOf(component, said, context)) !== null ? nextServerName(cluster, [said]) : said)
      return { site, location: context.objectStore(component.spec.archive.store, site).location, serverName }
    }),
  )
}
