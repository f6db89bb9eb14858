import { overWay, type Way } from '../../../clients/patience.ts'
import { withinDeadline } from '../../../clients/within-deadline.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import {
  newestSegment,
  parseLsn,
  parseSegment,
  reachFrom,
  type Segment,
  type SegmentBytes,
  segmentName,
} from '../../../systems/postgres/wal.ts'
import { seconds } from '../../../values/duration.ts'
import { type ArchivedWal, newestBackup, walSince } from '../backup/catalogue.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import { type Database, incarnationFolder, siteOfCluster } from '../spec.ts'

/**
 * What a follower's primary has left in the archive: what a failover could still fetch, seen without asking the
 * primary.
 */
export interface Upstream {
  readonly cluster: string
  readonly serverName: string
  /** Why the archive could not be read; null when it could. */
  readonly silent: string | null
  /** The newest archived segment that the follower has, or can still come to: what lies behind a hole is lost. */
  readonly newest: { readonly segment: string; readonly at: string } | null
  /** The first segment behind a hole; absent where there is none. */
  readonly beyond?: string
  /**
   * How long its segments are, where the follower itself did not say, by a backup in this archive; absent where nobody
   * says.
   */
  readonly segmentBytes?: SegmentBytes
  /** Whether somebody is declared who may close this archive by the policy of its bucket. */
  readonly closable: boolean
}

/** An archive that hangs must not make the follower look dead: all of an observation has 3 s. */
const PATIENCE = seconds(1.5)

/**
 * Never throws: a silent archive is a value. Null for a cluster that follows nobody. `own`: the length of the
 * follower's segments, which is a copy of its primary; where it does not say, a backup in the archive does, and without
 * any nothing follows from the names in there.
 */
export async function seeUpstream(
  component: Database,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  own: SegmentBytes | null,
  context: DriverContext,
): Promise<Upstream | null> {
  const primary = cluster.spec.replica?.primary
  const site = primary === undefined || primary === cluster.metadata.name ? null : siteOfCluster(component, primary)
  const serverName = primary === undefined ? null : serverNameOfPeer(cluster, primary)
  if (site === null || primary === undefined || serverName === null) return null
  const store = reachable(() => context.objectStore(component.spec.archive.store, site as SiteName))
  // A guard inside its site has no way to any archive, and needs none.
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
        const from = (segment: string) => walSince(archive, folder, segment, { signal, deadline: PATIENCE })
        return { segments, ...(await newestFor(instance.timeLineID, position, segments, from)) }
      },
      late,
    )
    if (found === null) return { ...common, silent: null, newest: null }
    const { segments, archived, newest, beyond } = found
    const name = newest === null ? null : segmentName(newest.timeline, newest.start, segments)
    const at = archived.find((one) => one.name === name)?.at
    return {
      ...common,
      silent: null,
      newest: name === null || at === undefined ? null : { segment: name, at },
      ...(beyond === null ? {} : { beyond }),
      ...(own === null ? { segmentBytes: segments } : {}),
    }
  } catch (error) {
    return { ...common, silent: asStandbyError(error).message, newest: null }
  }
}

/**
 * The newest segment that can still be replayed; where a follower streams, and has all that is shipped, the newest one
 * that it has: it says when the primary shipped last, without which nobody could bound a loss. Usually that is the one
 * before its own. A primary that dies while it ships may be further behind, and on a timeline that has just begun
 * nothing may be shipped at all, so then more is looked through.
 */
async function newestFor(
  timeline: number,
  position: bigint,
  segments: SegmentBytes,
  from: (segment: string) => Promise<ArchivedWal[]>,
): Promise<{
  readonly archived: readonly ArchivedWal[]
  readonly newest: Segment | null
  readonly beyond: string | null
}> {
  const nameBack = (line: number, count: number): string => {
    const bytes = BigInt(count) * BigInt(segments)
    return segmentName(line, position < bytes ? 0n : position - bytes, segments)
  }
  const near = await from(nameBack(timeline, 1))
  const { last, beyond } = reachFrom(names(near), position, segments)
  const held = last ?? lastBefore(names(near), position, segments)
  if (held !== null) return { archived: near, newest: held, beyond }
  const far = await from(nameBack(Math.max(1, timeline - 1), FAR_BACK))
  return { archived: far, newest: lastBefore(names(far), position, segments), beyond }
}
/** Few keys, and a primary that is further behind has an archive that fails, which is said long before. */
const FAR_BACK = 256

const names = (archived: readonly ArchivedWal[]): string[] => archived.map(({ name }) => name)

/** The newest whole segment that ends in front of a position, or with it. */
const lastBefore = (archived: readonly string[], position: bigint, segments: SegmentBytes): Segment | null =>
  newestSegment(
    archived.filter((name) => (parseSegment(name, segments)?.end ?? position + 1n) <= position),
    segments,
  )

/** What there is to be reached, or why there is nothing. */
function reachable<T extends object>(reach: () => T): T | string {
  try {
    return reach()
  } catch (error) {
    return asStandbyError(error).message
  }
}
