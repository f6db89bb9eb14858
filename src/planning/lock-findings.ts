import { type Finding, type Intent, leavesLostSite } from '../domain/plan.ts'
import type { LockRecord } from '../witness/documents.ts'
import { isHeld, runOfHolder } from '../witness/lock-holder.ts'

/** The purpose that a move writes into the lock. */
export const purposeOf = (intent: Intent): string => `move: ${intent.mode} ${endsText(intent)}`
const endsText = ({ mode, from, to }: Intent): string => {
  if (mode === 'rejoin') return `of ${to} behind ${from}`
  return mode === 'reopen' ? `of ${to}` : `from ${from} to ${to}`
}
export const isOfMove = (lock: LockRecord): boolean => lock.purpose.startsWith('move: ')

/**
 * A move that runs, or that was left unfinished: its lock was never released. It must be ended before anything else
 * begins, unless its target is lost too. Also a deploy at work: a move waits for it before its approval is spent. Pure.
 */
export function lockFindings(lock: LockRecord | null, intent: Intent | null, now: Date): Finding[] {
  if (lock === null || lock.released) return []
  if (!isOfMove(lock)) return intent !== null && isHeld(lock, now) ? [atWork(lock, intent)] : []
  const run = runOfHolder(lock.holder)
  const common = {
    code: 'move-unfinished',
    next: `standby failover resume --run ${run}, or standby failover abort --run ${run}`,
  } as const
  if (isHeld(lock, now))
    return [
      {
        ...common,
        severity: intent === null ? 'info' : 'blocker',
        what: `run ${run} is at work (${lock.purpose}) and holds the lock until ${lock.expiresAt}`,
        next: `Wait for it. If its runner is dead: ${common.next}`,
      },
    ]
  return [
    {
      ...common,
      severity: intent !== null && leavesLostSite(intent) ? 'warning' : 'blocker',
      what: `run ${run} (${lock.purpose}) has not ended, and its lock ${Date.parse(lock.expiresAt) > now.getTime() ? `says that it ends at ${lock.expiresAt}, which no lock does` : `expired at ${lock.expiresAt}`}: its runner is dead or gave up`,
    },
  ]
}

/** A failover is planned and approved meanwhile: a deploy to a lost site fails soon, or its lock expires. */
const atWork = (lock: LockRecord, intent: Intent): Finding => ({
  code: 'lock-held',
  severity: leavesLostSite(intent) ? 'warning' : 'blocker',
  what: `${lock.holder} is at work (${lock.purpose}) and holds the lock until ${lock.expiresAt}`,
  next: `Wait for it to end; if its runner is dead, its lock ends by itself at ${lock.expiresAt}.`,
})
