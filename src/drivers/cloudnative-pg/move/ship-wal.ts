import { asSegmentBytes, parseLsn, parseSegment, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { type Run, sqlOf } from '../where.ts'

/** Where a primary closed a segment. */
export interface Mark {
  readonly at: bigint
  /** How long its segments are, by its own word. */
  readonly segments: SegmentBytes
}

/** Where each running step switched. Like `applied` it lives as long as this process: a resumed step switches again. */
const marks = new WeakMap<AbortSignal, Mark>()

/** Writes everything out and closes the segment, so that the archiver ships it now. */
export async function shipWal(run: Run): Promise<void> {
  const [row] = await sqlOf(run, `CHECKPOINT; SELECT pg_switch_wal(), (${SEGMENT_LENGTH});`)
  const [at, segments] = [parseLsn(row?.[0]), asSegmentBytes(Number(row?.[1]))]
  if (at === null || segments === null) throw new Error(`pg_switch_wal answered ${row?.join(', ') ?? 'nothing'}`)
  marks.set(run.signal, { at, segments })
}
/** In bytes. `SHOW` says it with a unit. */
export const SEGMENT_LENGTH = "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"

/** Whether the segment of that name, and with it all that was written up to a mark, is shipped. */
export function hasShipped(lastArchived: string | undefined, mark: Mark): boolean {
  const shipped = parseSegment(lastArchived ?? '', mark.segments)
  return shipped !== null && shipped.end >= mark.at
}

/** The position that {@link shipWal} of this step closed; null before it. */
export const shippedMark = (run: Run): Mark | null => marks.get(run.signal) ?? null
