import type { StepId } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import type { JournalEntry } from '../witness/journal.ts'

/**
 * The steps of a whole run: the report of one process, completed by the journal with the times of steps that an earlier
 * process performed, and with steps that were begun and have no recorded end. Pure.
 */
export function recordedSteps(steps: readonly StepReport[], journal: readonly JournalEntry[]): StepReport[] {
  return steps.map((step) => {
    if (step.begunAt !== null && step.endedAt !== null) return step
    const own = journal.filter((entry) => 'step' in entry && entry.step === step.id)
    const begun = own.find(({ kind }) => kind === 'intent')
    const ended = own.findLast(({ kind }) => kind !== 'intent' && kind !== 'undone')
    const result = own.find((entry) => entry.kind === 'result')
    const undone = own.findLast((entry) => entry.kind === 'undone')
    const performed = step.outcome === 'was-done' && result !== undefined ? { outcome: result.outcome } : {}
    const left = step.outcome === 'not-reached' ? { outcome: outcomeOf(undone ?? ended ?? begun) } : {}
    const shown = {
      ...step,
      ...performed,
      ...left,
      begunAt: step.begunAt ?? begun?.at ?? null,
      endedAt: step.endedAt ?? ended?.at ?? null,
    }
    if (shown.outcome !== 'undone' || undone === undefined || shown.takenBack !== undefined) return shown
    const takenBack = { begunAt: null, endedAt: undone.at, proof: undone.proof ?? {} }
    return { ...shown, proof: shown.proof ?? result?.proof ?? null, takenBack }
  })
}

/** What the newest entry says of a step that this process did not reach. */
function outcomeOf(entry: JournalEntry | undefined): StepReport['outcome'] {
  if (entry === undefined) return 'not-reached'
  if (entry.kind === 'result') return entry.outcome
  return entry.kind === 'failed' || entry.kind === 'given-up' || entry.kind === 'undone' ? entry.kind : 'unknown'
}

/** When each process of the run began, the first one first. */
export const processesIn = (journal: readonly JournalEntry[]): { readonly attempt: number; readonly at: string }[] =>
  journal.flatMap((entry) => (entry.kind === 'begun' ? [{ attempt: entry.attempt, at: entry.at }] : []))

/** Fences that could not be shut, and without which the run went on; with the reason for each. */
export const givenUpIn = (journal: readonly JournalEntry[]): { readonly step: StepId; readonly why: string }[] =>
  journal.flatMap((entry) =>
    entry.kind === 'given-up' ? [{ step: entry.step, why: `${entry.what} (${entry.code})` }] : [],
  )

/** Steps that failed in any process of the run, even if they succeeded afterwards. */
export const failedIn = (journal: readonly JournalEntry[]): StepId[] => [
  ...new Set(journal.flatMap((entry) => (entry.kind === 'failed' ? [entry.step] : []))),
]
