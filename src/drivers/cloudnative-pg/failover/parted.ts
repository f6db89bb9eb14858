import type { DriverContext } from '../../../driver/driver.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import type { Database } from '../spec.ts'
import { parseLsn } from '../wal.ts'
import { type ForkRecord, forkOf } from './forks.ts'

/**
 * The failover that ended the history which a follower has replayed, at a position before its own: it holds writes that the new history does not
 * have, and can follow that one never again. Null where it can. It is judged by what it has replayed: what is only received is overwritten by the
 * new history, and PostgreSQL itself judges so (rescanLatestTimeLine in xlogrecovery.c).
 */
export async function partedBy(
  component: Database,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  context: DriverContext,
): Promise<ForkRecord | null> {
  const primary = cluster.spec.replica?.primary
  const followed = primary === undefined || primary === cluster.metadata.name ? null : serverNameOfPeer(cluster, primary)
  const fork = followed === null ? null : await forkOf(component, followed, context)
  const [at, replayed] = [parseLsn(fork?.forkedAt), parseLsn(instance?.replayLsn)]
  return at !== null && replayed !== null && replayed > at ? fork : null
}

/** The sentence that a person reads of it. */
export const partedText = (cluster: string, replayed: string | undefined, fork: ForkRecord): string =>
  `${cluster} has replayed ${fork.cluster} up to ${replayed ?? 'nobody knows where'}, and the failover of ${fork.at} to ${fork.successor} ended that history at ${fork.forkedAt}: what it has beyond is no part of the new one`
