import type { KubernetesClient } from '../../../clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { isOwnedBy, ownedBy } from '../../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { manifestDocument } from '../../../systems/postgres/restore-manifest.ts'
import { backupsIn } from '../backup/completed-backups.ts'
import { codeOf } from '../codes.ts'
import { forkOf } from '../failover/forks.ts'
import { CLUSTER, type ClusterObject, followsAnother } from '../objects.ts'
import { archiveFolder, clusterOf, type Database } from '../spec.ts'
import type { ArchiveContent, Elsewhere, OnRecord, Situation, Standing } from './begin-situation.ts'
import { type Beginning, beginningOf } from './how-to-begin.ts'
import { knownAsOf, type LiveCluster, liveClusters } from './live-clusters.ts'
import type { Place } from './place.ts'

/** How the database of a site begins. Throws why it must not, before anything is changed. */
export async function beginningAt(place: Place): Promise<Beginning> {
  const beginning = beginningOf(await situationAt(place))
  if (beginning.do !== 'refuse') return beginning
  const { component, site } = place
  const { code, what, next } = beginning
  throw siteError(codeOf(code), what, {
    where: `${site} ${component.spec.namespace}/Cluster/${clusterOf(component, site)}`,
    next,
  })
}

/** Reads all that decides it. What does not answer is a value; the site at hand and the active one have to. */
export async function situationAt(place: Place): Promise<Situation> {
  const { component, site, deployment, context } = place
  const cluster = clusterOf(component, site)
  const [live, archive, backups, onRecord] = await Promise.all([
    liveClusters(place),
    archiveAt(component, site, context),
    completedBackupsOf(context.platform(KUBERNETES, site), component.spec.namespace, cluster, context.signal),
    recordOf(component, context),
  ])
  const renamed = await Promise.all(
    live.map((one) => (one.cluster === 'silent' ? [] : renamedAt(component, one.site, context))),
  )
  const own = live.find((one) => one.site === site)?.cluster ?? null
  const knownAs = own === null ? knownAsOf(live, place, site) : null
  return {
    site,
    cluster,
    role: deployment.roleOf(site),
    epoch: deployment.epoch,
    adopt: deployment.adopt,
    standing: standingOf(component, own === 'silent' ? null : own, context),
    archive,
    backups,
    onRecord,
    elsewhere: [
      ...live.filter((one) => one.site !== site).map((one) => elsewhere(component, one, context)),
      ...renamed.flat(),
    ],
    knownAs,
    expected: knownAs === null || (await forkOf(component, knownAs, context)) !== null ? null : knownAs,
  }
}

function standingOf(component: Database, live: ClusterObject | null, context: DriverContext): Standing {
  if (live === null) return { is: 'absent' }
  if (live.metadata.deletionTimestamp !== undefined) return { is: 'leaving' }
  const ours = isOwnedBy(live, context.stack.name, component.name)
  return { is: ours ? 'ours' : 'others', systemId: live.status?.systemID ?? null, primary: !followsAnother(live) }
}

function elsewhere(component: Database, { site, cluster: live }: LiveCluster, context: DriverContext): Elsewhere {
  const cluster = live === null || live === 'silent' ? clusterOf(component, site) : live.metadata.name
  const systemId = live === null || live === 'silent' ? null : (live.status?.systemID ?? null)
  if (live === 'silent') return { site, cluster, holds: 'unknown', systemId }
  // One that never came up, as a clone that waits for its first backup, holds nothing yet.
  if (live === null || systemId === null) return { site, cluster, holds: 'nothing', systemId }
  const ours = isOwnedBy(live, context.stack.name, component.name)
  return {
    site,
    cluster,
    holds: followsAnother(live) ? 'copy' : 'primary',
    systemId,
    ...(ours ? {} : { madeBy: 'others' }),
  }
}

/** Clusters that a deploy of this stack made for this component under a name that is not declared any more. */
async function renamedAt(component: Database, site: SiteName, context: DriverContext): Promise<Elsewhere[]> {
  const labels = ownedBy(context.stack.name, component.name)
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
  const found = await listed(() =>
    context
      .platform(KUBERNETES, site)
      .list(CLUSTER, { namespace: component.spec.namespace, labelSelector }, { signal: context.signal }),
  )
  return (found as ClusterObject[])
    .filter(({ metadata }) => metadata.name !== clusterOf(component, site))
    .map((cluster) => elsewhere(component, { site, cluster }, context))
}

/** Of any incarnation: a completed one says that there was a database. */
async function completedBackupsOf(
  kubernetes: KubernetesClient,
  namespace: string,
  cluster: string,
  signal: AbortSignal,
): Promise<string[]> {
  const found = await listed(() => backupsIn(kubernetes, namespace, signal))
  return found
    .filter(({ spec, status }) => spec.cluster.name === cluster && status?.phase === 'completed')
    .map(({ metadata }) => metadata.name)
}

/** Before the first deploy not even the kind may exist. */
async function listed<T>(list: () => Promise<T[]>): Promise<T[]> {
  try {
    return await list()
  } catch (error) {
    if (asStandbyError(error).code === 'kubernetes-not-found') return []
    throw error
  }
}

async function recordOf(component: Database, context: DriverContext): Promise<OnRecord> {
  try {
    const found = await context.records.newest('backups', `${component.name}/`, manifestDocument)
    if (found === null) return { is: 'nothing' }
    const { systemId } = found.record
    return { is: 'a backup', systemId: systemId !== '' ? systemId : null }
  } catch (error) {
    return { is: 'unknown', why: asStandbyError(error).message }
  }
}

/** What the archive of a site says of its cluster; that it is silent is a value. */
export async function archiveAt(component: Database, site: SiteName, context: DriverContext): Promise<ArchiveContent> {
  try {
    const store = await context.objectStore(component.spec.archive.store, site).open('read')
    return {
      is: 'read',
      names: await serverNamesIn(store, archiveFolder(component), clusterOf(component, site), context.signal),
    }
  } catch (error) {
    context.signal.throwIfAborted()
    return { is: 'unknown', why: asStandbyError(error).message }
  }
}

/**
 * The names under which a cluster has archived anything: its own, which CloudNativePG takes by itself, and the numbered
 * ones. One request each.
 */
export async function serverNamesIn(
  store: ObjectStoreClient,
  folder: string,
  cluster: string,
  signal: AbortSignal,
): Promise<string[]> {
  const names = (await store.list(`${folder}${cluster}/`, { limit: 1, signal })).length > 0 ? [cluster] : []
  const numbered = new RegExp(`^${cluster}-g\\d+$`)
  let after: string | undefined
  for (;;) {
    const [first] = await store.list(`${folder}${cluster}-g`, {
      limit: 1,
      signal,
      ...(after === undefined ? {} : { startAfter: after }),
    })
    if (first === undefined) return names
    const name = first.key.slice(folder.length).split('/')[0] ?? ''
    if (numbered.test(name)) names.push(name)
    // `0` is the character after `/`: what sorts there comes after all of this folder.
    after = `${folder}${name}0`
  }
}
