import type { Gap } from '../../domain/observed.ts'
import { parseLsn, parseSegment, type SegmentBytes, segmentsBetween } from './wal.ts'

/** How far one server is, as it says itself and as the archive of its primary shows. Null: not known. */
export interface ServerPosition {
  /** `system_identifier`: the same on every physical copy. */
  readonly systemId: string | null
  /** Of a primary: where it writes next (LSN). */
  readonly currentLsn: string | null
  readonly receivedLsn: string | null
  readonly replayLsn: string | null
  /** Whether its walreceiver is connected at this moment. */
  readonly streams: boolean
  /** Name of the newest segment that it has archived itself (`pg_stat_archiver`). */
  readonly shippedWal: string | null
  /** ISO 8601. */
  readonly shippedAt: string | null
  readonly segmentBytes: SegmentBytes | null
  /** Of a replica: what its primary has left in the archive. */
  readonly archive: ArchivePosition | null
}

/** What an archive still gives to one replica. */
export interface ArchivePosition {
  /** Why the archive could not be read; null when it could. */
  readonly silent: string | null
  /** The newest archived segment that the replica has or can still replay; `at`: ISO 8601, when it arrived. */
  readonly newest: { readonly segment: string; readonly at: string } | null
  /** Name of the first segment after a hole: neither it nor anything after it can be replayed. */
  readonly beyond?: string
}

/** The highest position that a replica has received, replayed, or can still fetch; null where none is known. Pure. */
export function reachedBy(replica: ServerPosition): bigint | null {
  const { receivedLsn, replayLsn, archive, segmentBytes } = replica
  const archived =
    segmentBytes === null ? null : (parseSegment(archive?.newest?.segment ?? '', segmentBytes)?.end ?? null)
  return [parseLsn(receivedLsn), parseLsn(replayLsn), archived].reduce<bigint | null>(
    (most, position) => (position !== null && (most === null || position > most) ? position : most),
    null,
  )
}

/**
 * What a passive site can catch up with within a switchover's patience: each segment costs a fetch, and each byte its
 * replay.
 */
const FARTHEST = { segments: 16, bytes: 256 * 1024 * 1024 }
/** The segment that is being filled and the one on its way: a replica that is fed by the archive is never closer. */
const ALWAYS_NEAR = 2

/** In segments of that length: a replica that is farther behind cannot catch up within a switchover. Pure. */
export const farthestSegments = (segments: SegmentBytes): number =>
  Math.max(ALWAYS_NEAR, Math.min(FARTHEST.segments, FARTHEST.bytes / segments))

/**
 * Segments of its primary's archive that a replica has not replayed. Null where it follows no server, or where the
 * archive or its own position is not known. Pure.
 */
export function gapToArchive({ replayLsn, archive, segmentBytes }: ServerPosition): number | null {
  const replayed = parseLsn(replayLsn)
  if (replayed === null || archive === null || archive.silent !== null || segmentBytes === null) return null
  const newest = parseSegment(archive.newest?.segment ?? '', segmentBytes)
  return newest === null ? 0 : segmentsBetween(replayed, newest.end, segmentBytes)
}

/**
 * How far a replica is behind its primary, by positions and segments. Lag in seconds, as PostgreSQL computes it, is 0
 * on an idle archive (CloudNativePG #1814). Pure.
 */
export function gapBetween(primary: ServerPosition | null, replica: ServerPosition, now: string): Gap {
  const ahead = parseLsn(primary?.currentLsn)
  const replayed = parseLsn(replica.replayLsn)
  if (primary === null || ahead === null || replayed === null) return { segments: null, bytes: null, seconds: null }
  const bytes = ahead > replayed ? Number(ahead - replayed) : 0
  return {
    segments: shippedSegmentsBehind(primary, replica, replayed),
    bytes,
    seconds: bytes === 0 ? 0 : secondsSinceShipped(primary, now),
  }
}

/**
 * A physical copy has segments of the same length, so what one server says is enough. Null where neither says, where
 * one is no copy of the other and the first does not say, or where they contradict. Pure.
 */
export function segmentBytesOfPair(
  primary: Pick<ServerPosition, 'systemId' | 'segmentBytes'>,
  replica: Pick<ServerPosition, 'systemId' | 'segmentBytes'>,
): SegmentBytes | null {
  const [one, other] = [primary.segmentBytes, replica.segmentBytes]
  const copies = primary.systemId === null || replica.systemId === null || primary.systemId === replica.systemId
  if (!copies || other === null) return one
  return one === null || one === other ? other : null
}

/** Shipped segments that are not replayed yet: 0 means that everything in the archive has arrived. */
function shippedSegmentsBehind(primary: ServerPosition, replica: ServerPosition, replayed: bigint): number | null {
  const segments = segmentBytesOfPair(primary, replica)
  if (segments === null) return null
  const shipped = parseSegment(primary.shippedWal ?? '', segments)
  return shipped === null ? 0 : segmentsBetween(replayed, shipped.end, segments)
}

/** An upper bound: what was written after the newest shipment may be missing. */
function secondsSinceShipped({ shippedAt }: ServerPosition, now: string): number | null {
  const at = Date.parse(shippedAt ?? '')
  return Number.isNaN(at) ? null : Math.max(0, Math.round((Date.parse(now) - at) / 1000))
}
