import type { StepId } from '../domain/plan.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { damagedError } from './damage.ts'
import { documentKind } from './decode.ts'
import { journalFolder } from './keys.ts'
import { readDocument } from './read-document.ts'

/** What a run wrote down, in order. An intent without a result: the effect may have happened. */
export type JournalEntry =
  | {
      readonly kind: 'begun'
      readonly at: string
      readonly planDigest: string
      readonly epoch: number
      /** 1 for the process that began the run; each that continues it counts on. */
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
  /** A fence that was not needed, and could not be shut: the run went on without it. */
  | {
      readonly kind: 'given-up'
      readonly at: string
      readonly step: StepId
      readonly code: string
      readonly what: string
    }
  /**
   * A fence that was on record was seen open. It is shut again, and the steps that rest on it (`rest`) are looked at
   * again.
   */
  | { readonly kind: 'reopened'; readonly at: string; readonly step: StepId; readonly rest: readonly StepId[] }
  /** From here on the run only goes back, unless the point of no return turns out to be behind it. */
  | ({ readonly kind: 'turned-back'; readonly at: string } & Partial<Asked>)
  /** `proof`: that what was before is true again; journals of before 2026-11-27 have none. */
  | { readonly kind: 'undone'; readonly at: string; readonly step: StepId; readonly proof?: JsonObject }
  /** `done`: of a deploy or a backup. */
  | { readonly kind: 'ended'; readonly at: string; readonly verdict: Verdict | 'done'; readonly code: string | null }

/** Who asked on a command line for a run to be taken back, and why; nobody has verified it. */
export interface Asked {
  readonly by: string
  readonly reason: string | null
}

/** What `witness.schema.json` says of a journal is what {@link JournalEntry} is. */
export const journalDocument = documentKind<{ readonly entry: JournalEntry }>(
  'witness.schema.json#/$defs/journal',
  'Restore its earlier version (the bucket keeps them): without its journal nobody can continue this run. Other operations go on.',
)

/** The append-only record of one run in the witness: one object per entry, so that two writers cannot both append. */
export interface Journal {
  readonly entries: readonly JournalEntry[]
  /** Throws `run-continued-elsewhere` when another process has appended in the meantime: it continues this run. */
  append(entry: JournalEntry): Promise<void>
  /** Throws `run-continued-elsewhere` when another process has: for one that waits, and writes nothing meanwhile. */
  refuseContinuedElsewhere(): Promise<void>
}

/**
 * The journal of a run, with all that was written to it so far. Throws `witness-damaged`, also when an entry is
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

/** The journal of a run that begins now, in a folder of its own. */
export const newJournal = (store: ConditionalStore, folder: string): Journal => journalIn(store, folder, [])

const entryKey = (folder: string, place: number): string => `${folder}${String(place).padStart(6, '0')}.json`

function journalIn(store: ConditionalStore, folder: string, entries: JournalEntry[]): Journal {
  const nextKey = (): string => entryKey(folder, entries.length + 1)
  let last: Promise<unknown> = Promise.resolve()
  // One after another: steps that run beside each other share one order.
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
 * The number of the next process of this run. Never the one that the lock names, whoever wrote that: a process whose
 * entries are gone may sleep after it took the lock, and two processes of one name could not be told apart.
 */
export function nextAttempt(entries: readonly JournalEntry[], inLock = 0): number {
  const next = Math.max(0, ...entries.map((entry) => (entry.kind === 'begun' ? entry.attempt : 0))) + 1
  return next === inLock ? next + 1 : next
}

/** What is on record of each step, by step; the later entry counts. */
export function stepsOnRecord(entries: readonly JournalEntry[]): Map<StepId, OnRecord> {
  const found = new Map<StepId, OnRecord>()
  for (const entry of entries) {
    // An intent after a result is of a process that looked again: what was done stays done.
    if (entry.kind === 'intent' && !isOver(found.get(entry.step))) found.set(entry.step, 'intent')
    if (entry.kind === 'result') found.set(entry.step, entry.outcome)
    // From then on they are what an earlier process may be at: begun, and not seen to end.
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
    // What was seen open after its result proves nothing any more.
    if (entry.kind === 'undone' || entry.kind === 'reopened') proofs.delete(entry.step)
  }
  return proofs
}

/** Of a move. */
export type Verdict = 'moved' | 'undone' | 'stopped'

/** What a run's journal says of its steps. */
export type OnRecord = 'intent' | 'done' | 'was-done' | 'given-up' | 'undone'
