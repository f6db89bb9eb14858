import type { StepId } from '../domain/plan.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { damagedError } from './damage.ts'
import { documentKind } from './decode.ts'
import { journalFolder } from './keys.ts'
import { readDocument } from './read-document.ts'

/** The entries of a run, in order. An intent without a result: the effect may have happened. */
export type JournalEntry =
  | {
      readonly kind: 'begun'
      readonly at: string
      readonly planDigest: string
      readonly epoch: number
      /** 1 for the process that began the run; each process that continues it has the next number. */
      readonly attempt: number
    }
  | { readonly kind: 'intent'; readonly at: string; readonly step: StepId }
  | {
      readonly kind: 'result'
      readonly at: string
      readonly step: StepId
      readonly outcome: 'done' | 'was-done'
      readonly proof: JsonObject
    }
  | {
      readonly kind: 'failed'
      readonly at: string
      readonly step: StepId
      readonly code: string
      readonly what: string
    }
  /** An optional fence that could not be shut: the run went on without it. */
  | {
      readonly kind: 'given-up'
      readonly at: string
      readonly step: StepId
      readonly code: string
      readonly what: string
    }
  /**
   * A recorded fence was found open. It is shut again, and the steps that depend on it (`rest`) are checked again.
   */
  | { readonly kind: 'reopened'; readonly at: string; readonly step: StepId; readonly rest: readonly StepId[] }
  /** From here on the run only goes back, unless it turns out that the point of no return was passed. */
  | ({ readonly kind: 'turned-back'; readonly at: string } & Partial<Asked>)
  /** `proof`: that the earlier state is restored; journals from before 2026-11-27 have none. */
  | { readonly kind: 'undone'; readonly at: string; readonly step: StepId; readonly proof?: JsonObject }
  /** `done`: of a deploy or a backup. */
  | { readonly kind: 'ended'; readonly at: string; readonly verdict: Verdict | 'done'; readonly code: string | null }

/** Who asked on a command line to take a run back, and why; not verified. */
export interface Asked {
  readonly by: string
  readonly reason: string | null
}

/** `witness.schema.json` and {@link JournalEntry} describe the same entries. */
export const journalDocument = documentKind<{ readonly entry: JournalEntry }>(
  'witness.schema.json#/$defs/journal',
  'Restore its earlier version (the bucket keeps them): without its journal this run cannot be continued. Other operations go on.',
)

/** The append-only record of one run in the witness: one object per entry, so that two writers cannot both append. */
export interface Journal {
  readonly entries: readonly JournalEntry[]
  /**
   * Throws `run-continued-elsewhere` when another process has appended in the meantime: that process continues the run.
   */
  append(entry: JournalEntry): Promise<void>
  /** Throws `run-continued-elsewhere` when another process has appended: for a process that waits without writing. */
  refuseContinuedElsewhere(): Promise<void>
}

/**
 * The journal of a run, with all its entries so far. Throws `witness-damaged`, also when an entry is
 * missing.
 */
export async function openJournal(store: ConditionalStore, run: string): Promise<Journal> {
  const folder = journalFolder(run)
  const keys = await store.list(folder)
  const entries = await Promise.all(
    keys.map(async (key, index) => {
      const found = key === entryKey(folder, index + 1) ? await readDocument(store, journalDocument, key) : null
      if (found !== null) return found.record.entry
      const what = `is no entry of a journal whose entry ${index + 1} is missing`
      throw damagedError({ code: 'witness-damaged', key, path: '$', what, next: journalDocument.next })
    }),
  )
  return journalIn(store, folder, entries)
}

/** The journal of a run that begins now, in its own folder. */
export const newJournal = (store: ConditionalStore, folder: string): Journal => journalIn(store, folder, [])

const entryKey = (folder: string, place: number): string => `${folder}${String(place).padStart(6, '0')}.json`

function journalIn(store: ConditionalStore, folder: string, entries: JournalEntry[]): Journal {
  const nextKey = (): string => entryKey(folder, entries.length + 1)
  let last: Promise<unknown> = Promise.resolve()
  // One after another: steps that run in parallel share one order.
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
  return {
    entries,
    append: (entry) =>
      inTurn(async () => {
        await store
          .create(nextKey(), { schemaVersion: 1, entry: entry as unknown as JsonObject })
          .catch((error: unknown) => {
            throw asStandbyError(error).code === 'witness-conflict' ? continuedElsewhere(folder, error) : error
          })
        entries.push(entry)
      }),
    refuseContinuedElsewhere: () =>
      inTurn(async () => {
        if ((await store.get(nextKey())) !== null) throw continuedElsewhere(folder, undefined)
      }),
  }
}

/** `folder`: `runs/<run>/journal/`. */
const continuedElsewhere = (folder: string, cause: unknown): StandbyError =>
  new StandbyError({
    code: 'run-continued-elsewhere',
    mustAct: 'site',
    what: `another process has written to the journal of run ${folder.split('/')[1]}: it continues this run, and this one stops`,
    where: `witness ${folder.slice(0, -1)}`,
    next: 'Watch the other process.',
    cause,
  })

/**
 * The number of the next process of this run. Never the number in the lock, regardless of who wrote it: a process
 * without entries may sleep after it took the lock, and two processes with one name could not be distinguished.
 */
export function nextAttempt(entries: readonly JournalEntry[], inLock = 0): number {
  const next = Math.max(0, ...entries.map((entry) => (entry.kind === 'begun' ? entry.attempt : 0))) + 1
  return next === inLock ? next + 1 : next
}

/** The recorded state of each step; a later entry replaces an earlier one. */
export function stepsOnRecord(entries: readonly JournalEntry[]): Map<StepId, OnRecord> {
  const found = new Map<StepId, OnRecord>()
  for (const entry of entries) {
    // An intent after a result is from a process that checked again: the step stays done.
    if (entry.kind === 'intent' && !isOver(found.get(entry.step))) found.set(entry.step, 'intent')
    if (entry.kind === 'result') found.set(entry.step, entry.outcome)
    // From then on an earlier process may be at work on them: begun, and not known to have ended.
    if (entry.kind === 'reopened') for (const id of [entry.step, ...entry.rest]) found.set(id, 'intent')
    if (entry.kind === 'given-up' || entry.kind === 'undone') found.set(entry.step, entry.kind)
  }
  return found
}

const isOver = (what: OnRecord | undefined): boolean => what === 'done' || what === 'was-done' || what === 'given-up'

export const turnedBack = (entries: readonly JournalEntry[]): boolean =>
  entries.some((entry) => entry.kind === 'turned-back')

/** The proofs of the steps that are done, by step. */
export function proofsOf(entries: readonly JournalEntry[]): Map<StepId, JsonObject> {
  const proofs = new Map<StepId, JsonObject>()
  for (const entry of entries) {
    if (entry.kind === 'result') proofs.set(entry.step, entry.proof)
    // The proof of a fence that was found open after its result no longer counts.
    if (entry.kind === 'undone' || entry.kind === 'reopened') proofs.delete(entry.step)
  }
  return proofs
}

/** Of a move. */
export type Verdict = 'moved' | 'undone' | 'stopped'

/** The state of a run's steps, as its journal has it. */
export type OnRecord = 'intent' | 'done' | 'was-done' | 'given-up' | 'undone'
