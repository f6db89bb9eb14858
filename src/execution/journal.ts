import type { JsonObject } from '../json.ts'
import type { StepId } from '../planning/plan.ts'
import type { ConditionalStore } from './conditional-store.ts'

/** What a run wrote down, in order. An intent without a result: the effect may have happened. */
export type JournalEntry =
  | { readonly kind: 'begun'; readonly at: string; readonly planDigest: string; readonly epoch: number; readonly resumed: boolean }
  | { readonly kind: 'intent'; readonly at: string; readonly step: StepId }
  | {
      readonly kind: 'result'
      readonly at: string
      readonly step: StepId
      readonly outcome: 'done' | 'was-done'
      readonly proof: JsonObject
    }
  | { readonly kind: 'failed'; readonly at: string; readonly step: StepId; readonly code: string; readonly what: string }
  | { readonly kind: 'undone'; readonly at: string; readonly step: StepId }
  | { readonly kind: 'ended'; readonly at: string; readonly verdict: 'moved' | 'refused' | 'stopped'; readonly code: string | null }

/** The append-only record of one run in the witness: one object per entry, so that two writers cannot both append. */
export interface Journal {
  readonly entries: readonly JournalEntry[]
  append(entry: JournalEntry): Promise<void>
}

/** The journal of a run, with all that was written to it so far. */
export async function openJournal(store: ConditionalStore, run: string): Promise<Journal> {
  const prefix = `runs/${run}/journal/`
  const keys = await store.list(prefix)
  const documents = await Promise.all(keys.map((key) => store.get(key)))
  const entries = documents.flatMap((document) => (document === null ? [] : [document.body.entry as unknown as JournalEntry]))
  let last: Promise<unknown> = Promise.resolve()
  return {
    entries,
    append(entry) {
      // One after another: steps that run beside each other share one order.
      const write = last.then(async () => {
        await store.create(`${prefix}${String(entries.length + 1).padStart(6, '0')}.json`, {
          schemaVersion: 1,
          entry: entry as unknown as JsonObject,
        })
        entries.push(entry)
      })
      last = write.catch(() => undefined)
      return write
    },
  }
}

/** The proofs of the steps that are done, by step. */
export function proofsOf(entries: readonly JournalEntry[]): Map<StepId, JsonObject> {
  const proofs = new Map<StepId, JsonObject>()
  for (const entry of entries) {
    if (entry.kind === 'result') proofs.set(entry.step, entry.proof)
    if (entry.kind === 'undone') proofs.delete(entry.step)
  }
  return proofs
}
