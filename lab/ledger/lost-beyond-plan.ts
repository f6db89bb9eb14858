import type { LedgerEntry } from './ledger-entry.ts'

/**
 * What the plan of a failover said that it would lose, and between which instants the site was lost and left;
 * milliseconds since 1970.
 */
export interface PlannedLoss {
  /** The upper end, in seconds; null where the plan knew none. */
  readonly seconds: number | null
  readonly lostAt: number
  readonly leftAt: number
}

/**
 * The lost writes that no plan announced: older than what the failover predicted, or newer than its end. All of them,
 * where there was no failover. Pure.
 */
export function lostBeyondPlan(
  entries: readonly LedgerEntry[],
  lostAcknowledged: readonly string[],
  planned: PlannedLoss | null,
): LedgerEntry[] {
  const lost = new Set(lostAcknowledged)
  const announced = ({ endedAt }: LedgerEntry): boolean =>
    planned !== null && endedAt > planned.lostAt - (planned.seconds ?? 0) * 1_000 && endedAt < planned.leftAt
  return entries.filter((entry) => lost.has(entry.id) && !announced(entry))
}

/**
 * From the first lost write to the last, in milliseconds: what the seconds of a prediction are about. 0 where nothing
 * is lost. Pure.
 */
export function timeLost(entries: readonly LedgerEntry[], lostAcknowledged: readonly string[]): number {
  const lost = new Set(lostAcknowledged)
  const ends = entries.filter(({ id }) => lost.has(id)).map(({ endedAt }) => endedAt)
  return ends.length === 0 ? 0 : Math.max(...ends) - Math.min(...ends)
}
