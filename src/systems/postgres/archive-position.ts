import type { ArchivedWal } from './barman-archive.ts'
import type { ArchivePosition } from './server-position.ts'
import { newestSegment, parseSegment, reachFrom, type Segment, type SegmentBytes, segmentName } from './wal.ts'

/** A replica that reads from an archive. */
interface Reader {
  readonly timeline: number
  /** What it has replayed. */
  readonly position: bigint
  readonly segments: SegmentBytes
}

/**
 * The newest archived segment that a replica can still replay. Where a replica streams and has all that is shipped, the
 * newest segment that it has: its time says when the primary shipped last, without which no loss has an upper end.
 * Usually that is the segment before its own, so few keys are listed. A primary that dies while it ships may be farther
 * behind, and on a timeline that has just begun nothing may be shipped at all: then more is listed.
 *
 * `from`: what is archived from a segment on, by name.
 */
export async function newestReplayable(
  { timeline, position, segments }: Reader,
  from: (segment: string) => Promise<readonly ArchivedWal[]>,
): Promise<Pick<ArchivePosition, 'newest' | 'beyond'>> {
  const nameBack = (line: number, count: number): string => {
    const bytes = BigInt(count) * BigInt(segments)
    return segmentName(line, position < bytes ? 0n : position - bytes, segments)
  }
  const shipped = (archived: readonly ArchivedWal[], segment: Segment | null): ArchivePosition['newest'] => {
    const name = segment === null ? null : segmentName(segment.timeline, segment.start, segments)
    const at = archived.find((one) => one.name === name)?.at
    return name === null || at === undefined ? null : { segment: name, at }
  }
  const near = await from(nameBack(timeline, 1))
  const { last, beyond } = reachFrom(namesOf(near), position, segments)
  const hole = beyond === null ? {} : { beyond }
  const held = last ?? lastBefore(namesOf(near), position, segments)
  if (held !== null) return { newest: shipped(near, held), ...hole }
  const far = await from(nameBack(Math.max(1, timeline - 1), FAR_BACK))
  return { newest: shipped(far, lastBefore(namesOf(far), position, segments)), ...hole }
}

/** Few keys. A primary that is farther behind has an archive that fails, which is reported long before. */
const FAR_BACK = 256

const namesOf = (archived: readonly ArchivedWal[]): string[] => archived.map(({ name }) => name)

/** The newest whole segment that ends at a position or before it. */
const lastBefore = (archived: readonly string[], position: bigint, segments: SegmentBytes): Segment | null =>
  newestSegment(
    archived.filter((name) => (parseSegment(name, segments)?.end ?? position + 1n) <= position),
    segments,
  )
