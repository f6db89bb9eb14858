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
      /** What lies beyond the fork, where both ends are known. */
      readonly bytes: number | null
    }

/**
 * Compares the other server, which was asked first, with the primary: in that order a copy is never ahead. Numbers of
 * timelines prove nothing: an old primary that starts again by itself promotes itself to the very number that the new
 * one has. Where both histories are readable they decide; positions decide otherwise. Pure.
 */
export function relationTo(primary: ServerState, other: ServerState): Relation {
  if (primary.systemId !== other.systemId) return { is: 'another-database' }
  const end = other.inRecovery ? other.replayLsn : other.currentLsn
  const parted = partedAt(primary, other)
  if (parted !== null && isBeyond(end, parted.at))
    return diverged(
      `it has written up to ${end} on timeline ${other.timeline}, and the history of the primary left timeline ${parted.timeline} at ${parted.at}`,
      parted,
      end,
    )
  if (!other.inRecovery)
    return diverged(
      `it is a primary too, on timeline ${other.timeline} at ${end ?? 'an unknown position'}`,
      parted,
      end,
    )
  if (other.timeline > primary.timeline)
    return diverged(`it is on timeline ${other.timeline}, ahead of timeline ${primary.timeline}`, parted, end)
  if (other.receiver?.status !== 'streaming' && isBeyond(end, primary.currentLsn))
    return diverged(`it has replayed up to ${end}, and the primary is at ${primary.currentLsn}`, parted, end)
  return { is: 'copy', streams: other.receiver?.status === 'streaming' }
}

/** Where the two histories parted; null where they did not, or where nobody can say. */
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

const diverged = (why: string, parted: Fork | null, end: string | null): Relation => ({
  is: 'diverged',
  why,
  forkedAt: parted?.at ?? null,
  bytes: parted === null || end === null ? null : bytesBetween(parted.at, end),
})
