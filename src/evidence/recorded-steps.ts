import type { JournalEntry } from '../execution/journal.ts'
import type { StepReport } from '../operations/reports.ts'
import type { StepId } from '../planning/plan.ts'

/**
 * The steps of a whole run: what one process reports, with the times of those that an earlier process of the run performed, which only the
 * journal knows. Pure.
 */
export function recordedSteps(steps: readonly StepReport[], journal: readonly JournalEntry[]): StepReport[] {
  return steps.map((step) => {
    if (step.begunAt !== null && step.endedAt !== null) return step
    const own = journal.filter((entry) => 'step' in entry && entry.step === step.id)
    const begun = own.find(({ kind }) => kind === 'intent')
    const ended = own.filter(({ kind }) => kind === 'result' || kind === 'undone' || kind === 'failed' || kind === 'given-up').at(-1)
    const result = own.find((entry) => entry.kind === 'result')
    const performed = step.outcome === 'was-done' && result?.kind === 'result' ? { outcome: result.outcome } : {}
    return { ...step, ...performed, begunAt: step.begunAt ?? begun?.at ?? null, endedAt: step.endedAt ?? ended?.at ?? null }
  })
}

/** When each process of the run began, the first one first. */
export const processesIn = (journal: readonly JournalEntry[]): { readonly attempt: number; readonly at: string }[] =>
  journal.flatMap((entry) => (entry.kind === 'begun' ? [{ attempt: entry.attempt, at: entry.at }] : []))

/** Fences that could not be shut, and without which the run went on; why, of each. */
export const givenUpIn = (journal: readonly JournalEntry[]): { readonly step: StepId; readonly why: string }[] =>
  journal.flatMap((entry) => (entry.kind === 'given-up' ? [{ step: entry.step, why: `${entry.what} (${entry.code})` }] : []))

/** Steps that failed in some process of the run, whatever became of them afterwards. */
export const failedIn = (journal: readonly JournalEntry[]): StepId[] => [
  ...new Set(journal.flatMap((entry) => (entry.kind === 'failed' ? [entry.step] : []))),
]
