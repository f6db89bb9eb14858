import type { SqlRows } from '../../planning/driver.ts'
import { parseLsn } from './wal.ts'

/** Where a history left an older timeline. */
export interface Fork {
  readonly timeline: number
  /** Position behind the last byte that both share. */
  readonly at: string
}

/**
 * The lines of a primary's own history file as rows `history`, timeline, position. To be asked after the restart that follows a promotion:
 * until then the control file may still name the old timeline. (The form of pg_read_file with two arguments is new in PostgreSQL 16.)
 */
export const HISTORY = `SELECT 'history', split_part(line, E'\\t', 1), split_part(line, E'\\t', 2)
  FROM pg_control_checkpoint(),
       regexp_split_to_table(coalesce(pg_read_file('pg_wal/' || upper(lpad(to_hex(timeline_id), 8, '0')) || '.history', 0, 1000000, true), ''), E'\\n') WITH ORDINALITY AS history(line, number)
  WHERE line ~ '^[0-9]' ORDER BY number;`

export const forksIn = (rows: SqlRows): Fork[] =>
  rows.filter((row) => row[0] === 'history').map((row) => ({ timeline: Number(row[1]), at: row[2] ?? '' }))

/**
 * Where a history left the one that ended on the given timeline; null when they never parted. A side that changed its primary after the fork
 * is on a timeline that the other one does not know: then the newest one that both know counts.
 */
export function forkFrom(history: readonly Fork[], timeline: number): Fork | null {
  const known = history.filter((fork) => fork.timeline <= timeline && parseLsn(fork.at) !== null)
  return known.at(-1) ?? null
}
