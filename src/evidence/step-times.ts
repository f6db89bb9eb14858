import { leavesLostSite, type Mode, PHASES, type Phase } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import { byCodeUnit } from '../values/by-code-unit.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JournalEntry } from '../witness/journal.ts'
import type { MoveVerdict } from './operation.ts'

/** When a phase of a run began and ended, ISO 8601. */
export interface PhaseTimes {
  readonly phase: Phase
  readonly begunAt: string
  readonly endedAt: string
}

/**
 * In the order in which they began; steps that began at the same instant in the order of their phases, and steps that
 * never began last. Pure.
 */
export const inOrder = (steps: readonly StepReport[]): StepReport[] =>
  steps.toSorted(
    (a, b) => byCodeUnit(a.begunAt ?? NEVER, b.begunAt ?? NEVER) || PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase),
  )
const NEVER = '~'

/** When each phase began and ended, in the order of the phases; phases without a complete step are left out. Pure. */
export function phasesOf(steps: readonly StepReport[]): PhaseTimes[] {
  return PHASES.flatMap((phase) => {
    const times = steps.flatMap(({ begunAt, endedAt, phase: own }) =>
      own === phase && begunAt !== null && endedAt !== null ? [{ begunAt, endedAt }] : [],
    )
    const begunAt = earliest(times.map((time) => time.begunAt))
    const endedAt = latest(times.map((time) => time.endedAt))
    return begunAt === null || endedAt === null ? [] : [{ phase, begunAt, endedAt }]
  })
}

/**
 * From the first closed door, by any process of the run, to the opened traffic; for a run that was taken back, until
 * the last door was open again. Null where no door was closed, or none is known to be open. Pure.
 */
export function writeGapOf(of: {
  readonly mode: Mode
  readonly verdict: MoveVerdict
  readonly steps: readonly StepReport[]
  readonly journal: readonly JournalEntry[]
}): Milliseconds | null {
  const closing = of.steps.filter(({ phase }) => CLOSING.includes(phase))
  const ids = new Set(closing.map(({ id }) => id))
  const tried = of.journal.flatMap((entry) => (entry.kind === 'intent' && ids.has(entry.step) ? [entry.at] : []))
  const closed = earliest([...tried, ...closing.flatMap(({ begunAt }) => begunAt ?? [])])
  const opened = of.verdict === 'undone' ? takenBack(of.mode, of.journal, ids) : openedAt(of.steps)
  return closed === null || opened === null ? null : Math.max(0, Date.parse(opened) - Date.parse(closed))
}
const CLOSING: readonly Phase[] = ['DRAIN', 'FENCE']

function openedAt(steps: readonly StepReport[]): string | null {
  const opening = steps.filter(({ phase }) => phase === 'TRAFFIC')
  return opening.every(({ outcome }) => outcome === 'done' || outcome === 'was-done')
    ? latest(opening.flatMap(({ endedAt }) => endedAt ?? []))
    : null
}

/** A lost site does not serve, even when its doors are opened again. */
const takenBack = (mode: Mode, journal: readonly JournalEntry[], ids: ReadonlySet<string>): string | null =>
  leavesLostSite({ mode })
    ? null
    : latest(journal.flatMap((entry) => (entry.kind === 'undone' && ids.has(entry.step) ? [entry.at] : [])))

const earliest = (times: readonly string[]): string | null => [...times].sort()[0] ?? null
const latest = (times: readonly string[]): string | null => [...times].sort().at(-1) ?? null
