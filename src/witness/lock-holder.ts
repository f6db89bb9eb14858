import { type Milliseconds, seconds } from '../values/duration.ts'
import type { LockRecord } from './documents.ts'

/**
 * Who holds the lock: one process of a run. A process that continues a run is another holder than the one that left it.
 */
export const holderOf = (run: string, attempt: number): string => `${run}#${attempt}`
/** Which process of a run a holder is; 0 for one that is none of it. */
export function attemptOfHolder(run: string, holder: string): number {
  const attempt = holder.startsWith(`${run}#`) ? Number(holder.slice(run.length + 1)) : 0
  return Number.isSafeInteger(attempt) ? attempt : 0
}
/** The run that a holder belongs to. */
export const runOfHolder = (holder: string): string => holder.split('#')[0] ?? holder

/**
 * No lock lives longer, of this version (10 s) or an earlier one (60 s), however far apart the clocks are: what says
 * that it ends later was written by a clock that is wrong, or by hand, and must not keep everybody out.
 */
export const LONGEST_LOCK: Milliseconds = seconds(90)

/** Whether somebody holds it, by the time of the witness. */
export function isHeld(lock: LockRecord, now: Date): boolean {
  const left = Date.parse(lock.expiresAt) - now.getTime()
  return !lock.released && left > 0 && left <= LONGEST_LOCK
}
