import { type Fork, forkBetween, forkFrom } from '../../systems/postgres/timeline-history.ts'
import { bytesBetween, parseLsn } from '../../systems/postgres/wal.ts'
import type { ServerState } from './facts.ts'

/** What one server is to a primary. */
export type Relation =
  /** It holds nothing that the primary lacks, as far as positions and histories say. */
  | { readonly is: 'copy'; readonly streams: boolean }
  | { readonly is: 'another-database' }
  /** It holds what the primary lacks, or writes a history of its own. `forkedAt` (LSN): where they parted. */
  | {
      readonly is: 'diverged'
      readonly why: string
      readonly forkedAt: string | null
      /** What it alone has: at least, and at most; null: not known. */
      readonly bytes: readonly [number, number | null]
    }

/**
 * Compares the other server with the primary. Numbers of timelines prove nothing: an old primary that starts again by
 * itself promotes itself to the very number that the new one has, and where it had sent everything before, even the two
 * histories are the same, word by word. So positions decide as well. `other-first`: in that order a copy is never
 * ahead. `at-once`: one that streams may seem so, by what was written in between. Pure.
 */
export function relationTo(primary: ServerState, other: ServerState, asked: 'other-first' | 'at-once'): Relation {
  if (primary.systemId !== other.systemId) return { is: 'another-database' }
  const end = other.inRecovery ? other.replayLsn : other.currentLsn
  const parted = partedAt(primary, other)
  if (parted !== null && isBeyond(end, parted.at))
    return diverged(
      `it has written up to ${end} on timeline ${other.timeline}, and the history of the primary left timeline ${parted.timeline} at ${parted.at}`,
      parted,
      end,
      primary,
    )
  if (!other.inRecovery)
    return diverged(
      `it is a primary too, on timeline ${other.timeline} at ${end ?? 'an unknown position'}`,
      parted,
      end,
      primary,
    )
  if (other.timeline > primary.timeline)
    return diverged(`it is on timeline ${other.timeline}, ahead of timeline ${primary.timeline}`, parted, end, primary)
  const mayHaveMovedOn = asked === 'at-once' && other.receiver?.status === 'streaming'
  if (!mayHaveMovedOn && isBeyond(end, primary.currentLsn))
    return diverged(`it has replayed up to ${end}, and the primary is at ${primary.currentLsn}`, parted, end, primary)
  return { is: 'copy', streams: other.receiver?.status === 'streaming' }
}

/** Where the two histories parted; null where they did not, or where it is not known. */
function partedAt(primary: ServerState, other: ServerState): Fork | null {
  if (primary.history === null) return null
  if (other.timeline < primary.timeline && other.history === null) return forkFrom(primary.history, other.timeline)
  if (other.history === null) return null
  // One that stands on a timeline which the primary left is no other history: it has only to follow.
  const isPrefix = other.timeline < primary.timeline && isBeginningOf(other.history, primary.history)
  if (isPrefix) return forkFrom(primary.history, other.timeline)
  if (other.timeline === primary.timeline && isBeginningOf(other.history, primary.history)) return null
  return forkBetween(primary.history, other.history, other.timeline)
}

const isBeginningOf = (own: readonly Fork[], whole: readonly Fork[]): boolean =>
  own.every(({ timeline, at }, index) => {
    const line = whole[index]
    return line !== undefined && line.timeline === timeline && parseLsn(line.at) === parseLsn(at)
  })

function isBeyond(end: string | null, limit: string | null): boolean {
  const [at, most] = [parseLsn(end), parseLsn(limit)]
  return at !== null && most !== null && at > most
}

const diverged = (why: string, parted: Fork | null, end: string | null, primary: ServerState): Relation => ({
  is: 'diverged',
  why,
  forkedAt: parted?.at ?? null,
  bytes: bytesBeyond(parted, end, primary),
})

/** Without a known fork only what lies beyond the primary's own position is certain. */
function bytesBeyond(parted: Fork | null, end: string | null, primary: ServerState): readonly [number, number | null] {
  if (end === null) return [0, null]
  if (parted === null) return [primary.currentLsn === null ? 0 : bytesBetween(primary.currentLsn, end), null]
  const bytes = bytesBetween(parted.at, end)
  return [bytes, bytes]
}

/** `, 4120 bytes`; `, at least 4120 bytes`; nothing where nothing is known. */
export const textOfBytes = ([least, most]: readonly [number, number | null]): string => {
  if (most !== null) return `, ${most} bytes`
  return least === 0 ? '' : `, at least ${least} bytes`
}
