import { changesActiveSite, type Plan } from '../domain/plan.ts'
import { activateStep, LOCK_STEP } from '../planning/witness-steps.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { damagedError } from '../witness/damage.ts'
import { type ActiveRecord, activeDocument, type LockRecord, lockDocument } from '../witness/documents.ts'
import { type Journal, journalDocument, nextAttempt, stepsOnRecord } from '../witness/journal.ts'
import { ACTIVE, journalFolder, LOCK } from '../witness/keys.ts'
import { attemptOfHolder } from '../witness/lock-holder.ts'
import { tryDocument } from '../witness/read-document.ts'

/**
 * What lock and active record say of a run, whatever its journal says; null where there is none, or nobody can read it.
 */
export interface SaidOfRun {
  /** Written by the mover alone, once a first deploy has made it: what it says of a run is held against the journal. */
  readonly active: ActiveRecord | null
  /** Written by a deployer too: a name in it holds nothing up but one number (`nextAttempt`). */
  readonly lock: LockRecord | null
}

/**
 * Ask for it before the journal is read: each process of a run writes its journal first, so what is read of that later
 * is never behind. One that is damaged stops whatever depends on it, and that is not decided here.
 */
export async function saidOfRun(store: ConditionalStore): Promise<SaidOfRun> {
  const [active, lock] = await Promise.all([
    tryDocument(store, activeDocument, ACTIVE),
    tryDocument(store, lockDocument, LOCK),
  ])
  return { active: active?.kind === 'sound' ? active.record : null, lock: lock?.kind === 'sound' ? lock.record : null }
}

/**
 * What the active record knows of a run, and its journal does not: its newest entries are gone. null: nothing is
 * missing. Pure.
 */
export function missingInJournal(
  { active }: Pick<SaidOfRun, 'active'>,
  run: string,
  plan: Plan,
  entries: Journal['entries'],
): string | null {
  const onRecord = stepsOnRecord(entries)
  const begun = nextAttempt(entries) - 1
  const ours = active?.run === run && active.epoch === plan.epoch + 1
  const attempt = ours && active.holder !== undefined ? attemptOfHolder(run, active.holder) : 0
  if (attempt > begun)
    return `${ACTIVE} names process ${attempt} of this run, and the last one that is in it is ${begun}`
  if (ours && !onRecord.has(LOCK_STEP)) return `${ACTIVE} is of this run, and it does not say that its lock was taken`
  const activate = activateStep(plan.intent)
  if (ours && changesActiveSite(plan.intent) && active.activeSite === plan.intent.to && !onRecord.has(activate))
    return `${ACTIVE} names ${plan.intent.to} in the epoch of this run, and it does not say that ${activate} was begun`
  return null
}

/**
 * Throws `witness-damaged` where the newest entries of a journal are gone: to go on, or back, would begin anew what was
 * done already.
 */
export function refuseCutShort(said: SaidOfRun, run: string, plan: Plan, { entries }: Journal): void {
  const missing = missingInJournal(said, run, plan, entries)
  if (missing === null) return
  const what = `lacks its newest entries: ${missing}`
  throw damagedError({ code: 'witness-damaged', key: journalFolder(run), path: '$', what, next: journalDocument.next })
}
