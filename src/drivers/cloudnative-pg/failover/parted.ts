import type { DriverContext } from '../../../driver/context.ts'
import { type ForkRecord, forkBefore } from '../../../systems/postgres/fork-records.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import type { Database } from '../spec.ts'
import { forksOf } from './forks.ts'

/**
 * The failover that ended the history which a follower has replayed, at a position before its own: it can never follow
 * the new history. Null where it can, and for a cluster that follows no other one. Throws `witness-damaged`.
 */
export async function partedBy(
  component: Database,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  context: Pick<DriverContext, 'records'>,
): Promise<ForkRecord | null> {
  const primary = cluster.spec.replica?.primary
  if (primary === undefined || primary === cluster.metadata.name) return null
  return forkBefore(forksOf(component, context), {
    follows: primary,
    followsArchive: serverNameOfPeer(cluster, primary),
    replayLsn: instance?.replayLsn ?? null,
    timeline: instance?.timeLineID ?? null,
    systemId: instance?.systemID || cluster.status?.systemID || null,
  })
}
