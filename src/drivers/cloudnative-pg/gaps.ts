import type { BySite, Gap } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import { parseLsn, parseSegment, type SegmentBytes, segmentsBetween } from '../../systems/postgres/wal.ts'
import type { Upstream } from './failover/upstream.ts'
import type { InstanceStatus } from './objects.ts'

/** What of a cluster says how far it is. */
export interface Positioned {
  readonly systemId: string | null
  readonly instance: InstanceStatus | null
  readonly segmentBytes: SegmentBytes | null
  readonly upstream: Upstream | null
}

/**
 * As much as a passive site can catch up with within a switchover's patience: each segment costs a fetch, and each byte
 * its replay.
 */
const FARTHEST = { segments: 16, bytes: 256 * 1024 * 1024 }
/** The one that is being filled, and one on its way: a follower that is fed by the archive is never closer for long. */
const ALWAYS_NEAR = 2

/** In segments of that length. A passive site further behind than this can not catch up in time. */
export const farthestSegments = (segments: SegmentBytes): number =>
  Math.max(ALWAYS_NEAR, Math.min(FARTHEST.segments, FARTHEST.bytes / segments))

/**
 * Segments of its primary's archive that a follower has not replayed; null where it follows nobody, or one of both is
 * not known. A failover takes what there is.
 */
export function gapToArchive({ instance, upstream, segmentBytes }: Positioned): number | null {
  const replayed = parseLsn(instance?.replayLsn)
  if (replayed === null || upstream === null || upstream.silent !== null || segmentBytes === null) return null
  const newest = parseSegment(upstream.newest?.segment ?? '', segmentBytes)
  return newest === null ? 0 : segmentsBetween(replayed, newest.end, segmentBytes)
}

/**
 * How far passive clusters are behind, by positions and segments: the operator's lag metric is 0 on an idle archive
 * (CNPG #1814).
 */
export function gapsOf(states: BySite<Positioned>, activeSite: SiteName, now: string): Record<string, Gap> {
  const active = states[activeSite]
  const source = active?.kind === 'answering' ? active.state : null
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]) =>
      site === activeSite || seen.kind !== 'answering' ? [] : [[site, gapBetween(source, seen.state, now)]],
    ),
  )
}

export function gapBetween(source: Positioned | null, target: Positioned, now: string): Gap {
  const ahead = parseLsn(source?.instance?.currentLsn)
  const replayed = parseLsn(target.instance?.replayLsn)
  if (source === null || ahead === null || replayed === null) return { segments: null, bytes: null, seconds: null }
  const bytes = ahead > replayed ? Number(ahead - replayed) : 0
  return {
    segments: wholeSegmentsBehind(source, target, replayed),
    bytes,
    seconds: bytes === 0 ? 0 : secondsSinceShipped(source.instance, now),
  }
}

/**
 * A copy has the segments of what it was copied from, so the word of one is enough. Null where neither says, or they
 * are no copies, or contradict.
 */
export function segmentBytesOfPair(source: Positioned, target: Positioned): SegmentBytes | null {
  const [one, other] = [source.segmentBytes, target.segmentBytes]
  const copies = source.systemId === null || target.systemId === null || source.systemId === target.systemId
  if (!copies || other === null) return one
  return one === null || one === other ? other : null
}

/**
 * Shipped segments that are not replayed yet: 0 means that all that the archive holds has arrived. Null where nobody
 * knows how long they are.
 */
function wholeSegmentsBehind(source: Positioned, target: Positioned, replayed: bigint): number | null {
  const segments = segmentBytesOfPair(source, target)
  if (segments === null) return null
  const shipped = parseSegment(source.instance?.lastArchivedWAL ?? '', segments)
  return shipped === null ? 0 : segmentsBetween(replayed, shipped.end, segments)
}

/** An upper bound: what was written since the last segment was shipped may be missing. */
function secondsSinceShipped(source: InstanceStatus | null, now: string): number | null {
  const shippedAt = Date.parse(source?.lastArchivedWALTime ?? '')
  return Number.isNaN(shippedAt) ? null : Math.max(0, Math.round((Date.parse(now) - shippedAt) / 1000))
}
