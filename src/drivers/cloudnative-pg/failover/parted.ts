import type { DriverContext } from '../../../driver/context.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import type { Database } from '../spec.ts'
import { type ForkRecord, forkOf, forkOfAny } from './forks.ts'

/**
 * The failover that ended the history which a follower has replayed, at a position before its own: it holds writes that
 * the new history does not have, and can follow that one never again. Null where it can. It is judged by what it has
 * replayed: what is only received is overwritten by the new history, and PostgreSQL itself judges so
 * (rescanLatestTimeLine in xlogrecovery.c). Throws `witness-damaged` where a record of the incarnation that it follows
 * can not be read; one of another incarnation is passed over.
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
  const systemId = instance?.systemID || cluster.status?.systemID
  const parted = (fork: ForkRecord): boolean => {
    const at = parseLsn(fork.forkedAt)
    return fork.cluster === primary && isOfDatabase(fork, systemId) && at !== null && replayed > at
  }
  // A rejoin of the primary gives it a new name, which its followers are told: the timeline that was left is still the
  // one that they replayed.
  const [here, renamed] = await Promise.all([
    followed === null ? null : forkOf(component, followed, context, parted),
    forkOfAny(component, (fork) => fork.forkedFrom === instance?.timeLineID && parted(fork), context),
  ])
  return here ?? renamed
}

/**
 * Also where one of both does not say which database it is: to have it follow what it never can would hold a move up.
 */
const isOfDatabase = (fork: ForkRecord, systemId: string | undefined): boolean =>
  !fork.systemId || !systemId || fork.systemId === systemId

/** The sentence that a person reads of it. */
export const partedText = (cluster: string, replayed: string | undefined, fork: ForkRecord): string =>
  `${cluster} has replayed ${fork.cluster} up to ${replayed ?? 'nobody knows where'}, and the failover of ${fork.at} to ${fork.successor} ended that history at ${fork.forkedAt}: what it has beyond is no part of the new one`
