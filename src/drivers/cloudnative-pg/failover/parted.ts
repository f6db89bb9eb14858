import type { DriverContext } from '../../../driver/driver.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import type { Database } from '../spec.ts'
import { parseLsn } from '../wal.ts'
import { type ForkRecord, forkWhere } from './forks.ts'

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
  const replayed = parseLsn(instance?.replayLsn)
  if (primary === undefined || primary === cluster.metadata.name || replayed === null) return null
  const followed = serverNameOfPeer(cluster, primary)
  const beyond = ({ forkedAt }: ForkRecord): boolean => {
    const at = parseLsn(forkedAt)
    return at !== null && replayed > at
  }
  // A rejoin of the primary gives it a new name, which its followers are told: the timeline that was left is still the one that they replayed.
  const ended = ({ serverName, forkedFrom }: ForkRecord): boolean => serverName === followed || forkedFrom === instance?.timeLineID
  return forkWhere(component, (fork) => fork.cluster === primary && ended(fork) && beyond(fork), context)
}

/** The sentence that a person reads of it. */
export const partedText = (cluster: string, replayed: string | undefined, fork: ForkRecord): string =>
  `${cluster} has replayed ${fork.cluster} up to ${replayed ?? 'nobody knows where'}, and the failover of ${fork.at} to ${fork.successor} ended that history at ${fork.forkedAt}: what it has beyond is no part of the new one`
