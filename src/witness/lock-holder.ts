import { type Milliseconds, seconds } from '../values/duration.ts'
import type { LockRecord } from './documents.ts'

/**
 * The holder of the lock: one process of a run. A process that continues a run is a different holder than the process
 * before it.
 */
export const holderOf = (run: string, attempt: number): string => `${run}#${attempt}`
/** The number of the process of a run that a holder is; 0 for a holder that does not belong to the run. */
export function attemptOfHolder(run: string, holder: string): number {
  const attempt = holder.startsWith(`${run}#`) ? Number(holder.slice(run.length + 1)) : 0
  return Number.isSafeInteger(attempt) ? attempt : 0
}
/** The run that a holder belongs to. */
export const runOfHolder = (holder: string): string => holder.split('#')[0] ?? holder

/**
 * No lock lives longer, neither of this version (10 s) nor of an earlier one (60 s), even when the clocks differ. A
 * later expiry was written with a wrong clock or by hand, and must not block every other run.
 */
export const LONGEST_LOCK: Milliseconds = seconds(90)

/** Whether the lock is held, by the time of the witness. */
export function isHeld(lock: LockRecord, now: Date): boolean {
  const left = Date.parse(lock.expiresAt) - now.getTime()
  return !lock.released && left > 0 && left <= LONGEST_LOCK
}
