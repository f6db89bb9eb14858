import { changesActiveSite, type Plan } from '../domain/plan.ts'
import { activateStep, LOCK_STEP } from '../planning/witness-steps.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { damagedError } from '../witness/damage.ts'
import { type ActiveRecord, activeDocument, type LockRecord, lockDocument } from '../witness/documents.ts'
import { type Journal, journalDocument, nextAttempt, stepsOnRecord } from '../witness/journal.ts'
import { ACTIVE, journalFolder, LOCK } from '../witness/keys.ts'
import { attemptOfHolder } from '../witness/lock-holder.ts'
import { tryDocument } from '../witness/read-document.ts'

/** What lock and active record say about a run, whatever its journal says; null: there is none, or it is damaged. */
export interface SaidOfRun {
  /** Only the mover writes it after the first deploy: the journal of a run is compared with what it says. */
  readonly active: ActiveRecord | null
  /** A deployer writes it too: a name in it changes no more than one number (`nextAttempt`). */
  readonly lock: LockRecord | null
}

/**
 * Must be read before the journal: each process of a run writes its journal first, so a journal that is read later has
 * everything that these records know. A damaged record stops what depends on it, which is decided elsewhere.
 */
export async function saidOfRun(store: ConditionalStore): Promise<SaidOfRun> {
  const [active, lock] = await Promise.all([
    tryDocument(store, activeDocument, ACTIVE),
    tryDocument(store, lockDocument, LOCK),
  ])
  return { active: active?.kind === 'sound' ? active.record : null, lock: lock?.kind === 'sound' ? lock.record : null }
}

/**
 * What the active record knows about a run and its journal does not: its newest entries are gone. null: none is
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
 * Throws `witness-damaged` where the newest entries of a journal are gone: the run would repeat what is done already.
 */
export function refuseCutShort(said: SaidOfRun, run: string, plan: Plan, { entries }: Journal): void {
  const missing = missingInJournal(said, run, plan, entries)
  if (missing === null) return
  const what = `lacks its newest entries: ${missing}`
  throw damagedError({ code: 'witness-damaged', key: journalFolder(run), path: '$', what, next: journalDocument.next })
}
