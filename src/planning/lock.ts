import type { Finding, Intent } from '../domain/plan.ts'
import { type Milliseconds, seconds } from '../duration.ts'
import type { LockRecord } from '../observation/observation.ts'

/** Who holds the lock: one process of a run. A process that continues a run is another holder than the one that left it. */
export const holderOf = (run: string, attempt: number): string => `${run}#${attempt}`
/** The run that a holder belongs to. */
export const runOfHolder = (holder: string): string => holder.split('#')[0] ?? holder

/** What a move says in the lock. */
export const purposeOf = (intent: Intent): string => `move: ${intent.mode} ${endsText(intent)}`
const endsText = ({ mode, from, to }: Intent): string => {
  if (mode === 'rejoin') return `of ${to} behind ${from}`
  return mode === 'reopen' ? `of ${to}` : `from ${from} to ${to}`
}
export const isOfMove = (lock: LockRecord): boolean => lock.purpose.startsWith('move: ')

/**
 * No lock lives longer, of this version (10 s) or an earlier one (60 s), however far apart the clocks are: what says that it ends later was written by
 * a clock that is wrong, or by hand, and must not keep everybody out.
 */
export const LONGEST_LOCK: Milliseconds = seconds(90)

/** Whether somebody holds it, by the time of the witness. */
export function isHeld(lock: LockRecord, now: Date): boolean {
  const left = Date.parse(lock.expiresAt) - now.getTime()
  return !lock.released && left > 0 && left <= LONGEST_LOCK
}

/**
 * A move that runs, or that nobody finished: its lock was never released. Whoever begins anything else first ends it, or says that its target
 * is lost too. And a deploy at work, which a move waits for before its approval is spent. Pure.
 */
export function lockFindings(lock: LockRecord | null, intent: Intent | null, now: Date): Finding[] {
  if (lock === null || lock.released) return []
  if (!isOfMove(lock)) return intent !== null && isHeld(lock, now) ? [atWork(lock, intent)] : []
  const run = runOfHolder(lock.holder)
  const common = { code: 'move-unfinished', next: `standby failover resume --run ${run}, or standby failover abort --run ${run}` }
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
      severity: intent?.mode === 'failover' ? 'warning' : 'blocker',
      what: `run ${run} (${lock.purpose}) has not ended, and its lock ${Date.parse(lock.expiresAt) > now.getTime() ? `says that it ends at ${lock.expiresAt}, which no lock does` : `expired at ${lock.expiresAt}`}: its runner is dead or gave up`,
    },
  ]
}

/** A failover is planned and approved meanwhile: whoever deploys to a lost site ends soon, or his lock does. */
const atWork = (lock: LockRecord, intent: Intent): Finding => ({
  code: 'lock-held',
  severity: intent.mode === 'failover' ? 'warning' : 'blocker',
  what: `${lock.holder} is at work (${lock.purpose}) and holds the lock until ${lock.expiresAt}`,
  next: `Wait for it to end; if its runner is dead, its lock ends by itself at ${lock.expiresAt}.`,
})
