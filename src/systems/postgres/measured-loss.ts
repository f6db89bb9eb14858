import type { Loss } from '../../domain/plan.ts'
import { parseLsn } from './wal.ts'

/** What is known after a failover, when the new history has begun. */
export interface AfterFailover {
  /** Where the new history left the old one (LSN); empty where it is not known. */
  readonly forkedAt: string
  /** What the fence of the old primary saw; null where it was not fenced. */
  readonly fenced: {
    /** Where its WAL ends (LSN); null where its control file does not know. */
    readonly endedAt: string | null
    /** `Database cluster state` of its control file; null where it could not be read. */
    readonly state: string | null
  } | null
  /** Its last known position (LSN), for a primary that was not fenced. */
  readonly lastSeenAt: string | null
  /** ISO 8601, of the last commit that the new primary has; null: not known. */
  readonly lastCommitAt: string | null
  /** ISO 8601: the old primary took no write after this. */
  readonly closedAt: string
}

/**
 * What a failover has lost. Exact in bytes where the old primary was fenced and says where its WAL ends; otherwise from
 * its last known position up to an unknown end. Pure.
 */
export function lossSinceFork({ forkedAt, fenced, lastSeenAt, lastCommitAt, closedAt }: AfterFailover): Loss {
  const fork = parseLsn(forkedAt)
  const beyond = (end: bigint | null): number => (end === null || fork === null || end <= fork ? 0 : Number(end - fork))
  const exactEnd = parseLsn(fenced?.endedAt)
  const bytes: Loss['bytes'] =
    exactEnd === null ? [beyond(parseLsn(lastSeenAt)), null] : [beyond(exactEnd), beyond(exactEnd)]
  const [committed, closed] = [Date.parse(lastCommitAt ?? ''), Date.parse(closedAt)]
  const upTo =
    Number.isNaN(committed) || Number.isNaN(closed) ? null : Math.max(0, Math.ceil((closed - committed) / 1_000))
  return {
    bytes,
    seconds: bytes[1] === 0 ? [0, 0] : [0, upTo],
    why: whyOf(exactEnd === null ? null : (fenced?.endedAt ?? null), fenced?.state ?? null),
  }
}

function whyOf(endedAt: string | null, state: string | null): string {
  if (endedAt !== null) return `the old primary was fenced at ${endedAt}`
  if (state !== null)
    return `the old primary is fenced, and was not shut down in good order ("${state}"): where its WAL ends is unknown`
  return 'the old primary is silent: it may have written up to the moment at which it was shut out'
}
