import { type Fork, forkBetween } from '../../systems/postgres/timeline-history.ts'
import { formatLsn } from '../../systems/postgres/wal.ts'

/** A line of `/history`: a timeline, and the position in bytes at which it was left. */
export type HistoryLine = readonly [timeline: number, at: number]

export const forksOf = (lines: readonly HistoryLine[]): Fork[] =>
  lines.map(([timeline, at]) => ({ timeline, at: formatLsn(BigInt(at)) }))

/**
 * Where two clusters left one timeline at different positions, although both lines are of one database; null where they
 * never did. Only a primary writes the history of its cluster, so that of a standby cluster ends with its own last
 * promotion: a line that one of the two lacks says nothing. Numbers of timelines alone say nothing either: both sides
 * count on from the same one. Pure.
 */
export function partedAt(
  history: readonly HistoryLine[],
  other: readonly HistoryLine[],
): { readonly timeline: number; readonly at: number; readonly otherAt: number } | null {
  const positions = new Map(other)
  for (const [timeline, at] of history) {
    const otherAt = positions.get(timeline)
    if (otherAt !== undefined && otherAt !== at) return { timeline, at, otherAt }
  }
  return null
}

/** Where the history of a server that ends on `timeline` parted from another one; null: never. Pure. */
export const forkOf = (
  history: readonly HistoryLine[],
  own: { readonly history: readonly HistoryLine[]; readonly timeline: number },
): Fork | null => forkBetween(forksOf(history), forksOf(own.history), own.timeline)
