import type { SiteName } from '../../../domain/stack.ts'
import { codes } from '../codes.ts'
import { forkOf } from '../failover/forks.ts'
import { serverNameOf } from '../objects.ts'
import { clusterOf, firstServerName } from '../spec.ts'
import { unusedName } from './how-to-begin.ts'
import { knownAsOf, liveClusters } from './live-clusters.ts'
import type { Archive } from './manifests.ts'
import type { Place } from './place.ts'
import { archiveAt } from './situation.ts'

/**
 * Where every site archives: as its own cluster says, or, before it begins, under a name that its archive has never
 * held. For another site that is silent, what the others know counts. Throws `archive-unread` when it is unknown for
 * the site at hand.
 */
export async function archivesOf(place: Place, serverNames: Readonly<Record<string, string>> = {}): Promise<Archive[]> {
  const { component, context } = place
  const live = await liveClusters(place)
  return Promise.all(
    live.map(async ({ site, cluster }) => {
      const knownAs = knownAsOf(live, place, site)
      const said = cluster === null || cluster === 'silent' ? null : serverNameOf(cluster)
      const name =
        serverNames[site] ??
        said ??
        (cluster === 'silent' ? (knownAs ?? firstServerName(clusterOf(component, site))) : null)
      return {
        site,
        location: context.objectStore(component.spec.archive.store, site).location,
        serverName: name ?? (await nameOfNext(place, site, knownAs)),
      }
    }),
  )
}

async function nameOfNext(place: Place, site: SiteName, knownAs: string | null): Promise<string> {
  const { component, context } = place
  const cluster = clusterOf(component, site)
  const archive = await archiveAt(component, site, context)
  const expected = knownAs === null || (await forkOf(component, knownAs, context)) !== null ? null : knownAs
  if (archive.is === 'read') return unusedName({ cluster, archive, knownAs, expected })
  // What another site will be called is only written down here: its own deploy looks again.
  if (site !== place.site) return knownAs ?? firstServerName(cluster)
  throw codes.error('archive-unread', `it is unknown what the archive of ${cluster} on ${site} holds: ${archive.why}`, {
    retry: 'never',
    where: `${site} ${component.spec.archive.store}`,
    next: 'Bring the object store of the site to answer, and deploy again.',
  })
}
