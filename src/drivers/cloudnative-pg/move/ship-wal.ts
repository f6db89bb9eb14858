import { asSegmentBytes, parseLsn, parseSegment, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { type ClusterRun, remember, sqlOf } from '../run.ts'

/** Where a primary closed a segment. */
export interface Mark {
  readonly at: bigint
  /** Length of its segments, as PostgreSQL itself reports it. */
  readonly segments: SegmentBytes
}
/** What a process remembers of a step that closed a segment: a resumed step closes one again. */
export interface Marked {
  readonly mark?: Mark
}

/** Writes all dirty pages out and closes the segment, so that the archiver ships it now. */
export async function shipWal(run: ClusterRun<Marked>): Promise<void> {
  const [row] = await sqlOf(run, `CHECKPOINT; SELECT pg_switch_wal(), (${SEGMENT_LENGTH});`)
  const [at, segments] = [parseLsn(row?.[0]), asSegmentBytes(Number(row?.[1]))]
  if (at === null || segments === null) throw new Error(`pg_switch_wal answered ${row?.join(', ') ?? 'nothing'}`)
  remember<Marked>(run, { mark: { at, segments } })
}
/** In bytes; `SHOW` prints it with a unit. */
export const SEGMENT_LENGTH = "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"

/** Whether the segment of that name is archived, and with it all that was written up to a mark. */
export function hasShipped(lastArchived: string | undefined, mark: Mark): boolean {
  const shipped = parseSegment(lastArchived ?? '', mark.segments)
  return shipped !== null && shipped.end >= mark.at
}

/** The position that {@link shipWal} of this step closed; null before it. */
export const shippedMark = (run: ClusterRun<Marked>): Mark | null => run.memory.value?.mark ?? null
