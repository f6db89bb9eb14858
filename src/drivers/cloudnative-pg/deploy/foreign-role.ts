import { siteError } from '../../../errors/standby-error.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { partedText } from '../../../systems/postgres/fork-records.ts'
import { codes } from '../codes.ts'
import { forkOf } from '../failover/forks.ts'
import { partedBy } from '../failover/parted.ts'
import { type ClusterObject, readInstance, serverNameOf } from '../objects.ts'
import { siteOfCluster } from '../spec.ts'
import type { Place } from './place.ts'

/**
 * Whether a follower still follows a site that is passive by now, because it was silent during the move, and can follow
 * the active one as it is. Throws `history-forked` when it cannot, and `database-not-answering` when that is unknown.
 */
export async function isLeftBehind(place: Place, live: ClusterObject | null, active: string): Promise<boolean> {
  const { component, site, context } = place
  const followed = live?.spec.replica?.primary
  if (live === null || followed === undefined || [active, live.metadata.name].includes(followed)) return false
  if (place.deployment.roleOf(site) === 'active' || siteOfCluster(component, followed) === null) return false
  if (live.status?.switchReplicaClusterStatus?.inProgress === true) return false
  const name = live.metadata.name
  const where = `${site} ${component.spec.namespace}/Cluster/${name}`
  const pod = live.status?.currentPrimary
  const instance =
    pod === undefined
      ? null
      : await readInstance(context.platform(KUBERNETES, site), component.spec.namespace, pod, context.signal)
  if (instance?.isPrimary === true) return false
  const fork = await partedBy(component, live, instance, context)
  if (fork !== null)
    throw codes.error('history-forked', partedText(name, instance?.replayLsn, fork), {
      retry: 'never',
      where,
      next: `It must be cloned anew: standby failover plan --mode rejoin --to ${site}. Nothing was changed.`,
    })
  if (instance?.replayLsn === undefined)
    throw codes.error(
      'database-not-answering',
      `${name} follows ${followed}, not ${active}, and does not say how far it is`,
      {
        retry: 'never',
        where,
        next: `Bring it up, then deploy again, or rejoin ${site}. Nothing was changed.`,
      },
    )
  return true
}

/** Witness and cluster disagree: a deploy does not decide which of them is right. */
export async function refuseForeignRole(place: Place, live: ClusterObject | null, active: string): Promise<void> {
  const primary = live?.spec.replica?.primary
  if (live === null || primary === undefined || primary === active) return
  const name = live.metadata.name
  const where = `${place.site} ${place.component.spec.namespace}/Cluster/${name}`
  const serverName = serverNameOf(live)
  const fork = serverName === null ? null : await forkOf(place.component, serverName, place.context)
  if (fork !== null)
    throw codes.error(
      'archive-forked',
      `${name} is the former primary: the failover of ${fork.at} to ${fork.successor} cut its history off`,
      {
        retry: 'never',
        where,
        next: `Rejoin ${place.site}: it is cloned anew. Nothing was changed.`,
      },
    )
  throw siteError(
    'roles-disagree',
    `${name} follows ${primary}, and the witness says that ${place.deployment.activeSite} is active`,
    {
      where,
      next: 'Finish the move that was begun, or find out who changed spec.replica. Nothing was changed.',
    },
  )
}
