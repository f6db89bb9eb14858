import { overWay, type Way } from '../../../clients/patience.ts'
import { withinDeadline } from '../../../clients/within-deadline.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { newestReplayable } from '../../../systems/postgres/archive-position.ts'
import { newestBackup, walSince } from '../../../systems/postgres/barman-archive.ts'
import type { ArchivePosition } from '../../../systems/postgres/server-position.ts'
import { parseLsn, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { seconds } from '../../../values/duration.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import { type Database, incarnationFolder, siteOfCluster } from '../spec.ts'

/**
 * The WAL of a follower's primary in the archive that a failover could still fetch, seen without asking the primary.
 */
export interface Upstream extends ArchivePosition {
  readonly cluster: string
  readonly serverName: string
  /** By a backup in this archive, where the follower itself does not say; absent where neither says. */
  readonly segmentBytes?: SegmentBytes
  /** Whether credentials are declared that may close this archive by the policy of its bucket. */
  readonly closable: boolean
}

/** An archive that hangs must not make the follower look dead: all of an observation has 3 s. */
const PATIENCE = seconds(1.5)

/**
 * Never throws: a silent archive is a value. Null for a cluster that follows no other one. `own`: the length of the
 * follower's segments, which its primary has as well. Where it is null, a backup in the archive says it; without any,
 * the names in the archive say nothing.
 */
export async function seeUpstream(
  component: Database,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  own: SegmentBytes | null,
  context: Pick<DriverContext, 'signal' | 'objectStore'>,
): Promise<Upstream | null> {
  const primary = cluster.spec.replica?.primary
  const site = primary === undefined || primary === cluster.metadata.name ? null : siteOfCluster(component, primary)
  const serverName = primary === undefined ? null : serverNameOfPeer(cluster, primary)
  if (site === null || primary === undefined || serverName === null) return null
  const store = reachable(() => context.objectStore(component.spec.archive.store, site as SiteName))
  // A guard inside its site cannot reach any archive, and needs none.
  if (typeof store === 'string') return { cluster: primary, serverName, closable: false, silent: store, newest: null }
  const { location, open } = store
  const common = { cluster: primary, serverName, closable: location.policyCredentials !== undefined }
  const position = parseLsn(instance?.replayLsn)
  if (instance === null || position === null) return { ...common, silent: null, newest: null }
  const late = (waited: number): Error =>
    siteError('object-store-unreachable', `no answer within ${waited} ms`, { retry: 'transient' })
  let way: Way | undefined
  try {
    const found = await withinDeadline(
      () => overWay(way, PATIENCE),
      [context.signal],
      async (signal) => {
        const archive = await open('read')
        way = archive.way
        const folder = incarnationFolder(component, serverName)
        const segments = own ?? (await newestBackup(archive, folder, signal))?.segmentBytes ?? null
        if (segments === null) return null
        const replica = { timeline: instance.timeLineID, position, segments }
        return {
          segments,
          ...(await newestReplayable(replica, (name) =>
            walSince(archive, folder, name, { signal, deadline: PATIENCE }),
          )),
        }
      },
      late,
    )
    if (found === null) return { ...common, silent: null, newest: null }
    const { segments, ...archive } = found
    return { ...common, silent: null, ...archive, ...(own === null ? { segmentBytes: segments } : {}) }
  } catch (error) {
    return { ...common, silent: asStandbyError(error).message, newest: null }
  }
}

/** What there is to be reached, or why there is nothing. */
function reachable<T extends object>(reach: () => T): T | string {
  try {
    return reach()
  } catch (error) {
    return asStandbyError(error).message
  }
}
