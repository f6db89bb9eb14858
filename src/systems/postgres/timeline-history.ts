import type { SqlRows } from '../../driver/context.ts'
import { formatLsn, parseLsn, type SegmentBytes, startOfSegment } from './wal.ts'

/** Where a history left an older timeline. */
export interface Fork {
  readonly timeline: number
  /** Position after the last byte that both share (LSN). */
  readonly at: string
}

/**
 * The lines of a primary's own history file as rows `history`, timeline, position. To be asked after the restart that
 * follows a promotion: until then the control file may still name the old timeline. (The form of pg_read_file with two
 * arguments is new in PostgreSQL 16.)
 */
export const HISTORY = `SELECT 'history', split_part(line, E'\\t', 1), split_part(line, E'\\t', 2)
  FROM pg_control_checkpoint(),
       regexp_split_to_table(coalesce(pg_read_file('pg_wal/' || upper(lpad(to_hex(timeline_id), 8, '0')) || '.history', 0, 1000000, true), ''), E'\\n') WITH ORDINALITY AS history(line, number)
  WHERE line ~ '^[0-9]' ORDER BY number;`

export const forksIn = (rows: SqlRows): Fork[] =>
  rows.filter((row) => row[0] === 'history').map((row) => ({ timeline: Number(row[1]), at: row[2] ?? '' }))

/** The lines of a history file, as they lie in `pg_wal`. */
export const forksInFile = (text: string): Fork[] =>
  text.split('\n').flatMap((line) => {
    const [timeline = '', at = ''] = line.trim().split(/\s+/)
    return /^[1-9][0-9]*$/.test(timeline) && parseLsn(at) !== null ? [{ timeline: Number(timeline), at }] : []
  })

/**
 * Where a history left the one that ended on the given timeline; null when they never parted. A side that changed its
 * primary after the fork is on a timeline that the other one does not know: then the newest one that both know counts.
 */
export function forkFrom(history: readonly Fork[], timeline: number): Fork | null {
  const known = history.filter((fork) => fork.timeline <= timeline && parseLsn(fork.at) !== null)
  return known.at(-1) ?? null
}

/**
 * Where two histories parted: numbers of timelines say nothing once both sides have counted on from the same one. Their
 * first lines that differ do: of one timeline that both left, the earlier position. `own` ends on `timeline`. Null when
 * they never parted.
 */
export function forkBetween(history: readonly Fork[], own: readonly Fork[], timeline: number): Fork | null {
  const shared = own.findIndex((line, index) => !isSame(line, history[index]))
  const at = shared < 0 ? own.length : shared
  const [theirs, ours] = [history[at], own[at]]
  const before = own[at - 1] ?? null
  if (theirs === undefined) return ours ?? forkFrom(history, timeline)
  const left = ours?.timeline ?? timeline
  // Both left an older timeline at one position, for two others.
  if (theirs.timeline !== left) return before ?? forkFrom(history, timeline)
  return ours !== undefined && (parseLsn(ours.at) ?? 0n) < (parseLsn(theirs.at) ?? 0n) ? ours : theirs
}
const isSame = (one: Fork, other: Fork | undefined): boolean =>
  other !== undefined && one.timeline === other.timeline && parseLsn(one.at) === parseLsn(other.at)

/** A part of a history that lies in the files of one timeline; `to` null: up to the end of the WAL. */
export interface Span {
  readonly timeline: number
  readonly from: string
  readonly to: string | null
}

/**
 * The parts of a history after a fork. The segment in which a timeline was left belongs to the next timeline, whose
 * first segment is its copy: under its old number it may be a `.partial`. Pure.
 */
export function spansSince(fork: Fork, own: readonly Fork[], timeline: number, segments: SegmentBytes): Span[] {
  const spans: Span[] = []
  let from = parseLsn(fork.at) ?? 0n
  for (const left of own.filter((line) => line.timeline >= fork.timeline)) {
    const to = startOfSegment(parseLsn(left.at) ?? 0n, segments)
    if (to > from) spans.push({ timeline: left.timeline, from: formatLsn(from), to: formatLsn(to) })
    if (to > from) from = to
  }
  return [...spans, { timeline, from: formatLsn(from), to: null }]
}
