import { actionKey, type LearnedDurations } from '../planning/expected-durations.ts'
import type { Milliseconds } from '../values/duration.ts'
import { percentile } from '../values/percentile.ts'
import type { EvidenceBody } from './evidence-body.ts'

/** Older runs say little about what is installed today. */
export const NEWEST_RUNS = 20

/** The durations of the newest runs, oldest record first; only steps that were performed and done count. Pure. */
export function learnedDurations(bodies: readonly EvidenceBody[]): LearnedDurations {
  const took = new Map<string, Milliseconds[]>()
  for (const body of newestUndisturbed(bodies))
    for (const { id, outcome, begunAt, endedAt } of body.steps) {
      const span = Date.parse(endedAt ?? '') - Date.parse(begunAt ?? '')
      if (outcome !== 'done' || Number.isNaN(span) || span < 0) continue
      const key = actionKey(id)
      took.set(key, [...(took.get(key) ?? []), span])
    }
  return new Map(
    [...took].map(([key, spans]) => [
      key,
      { p50: percentile(spans, 0.5), p75: percentile(spans, 0.75), runs: spans.length },
    ]),
  )
}

const newestUndisturbed = (bodies: readonly EvidenceBody[]): readonly EvidenceBody[] =>
  bodies.filter(teaches).slice(-NEWEST_RUNS)

/** A step of a dead process has no true duration: only runs of one process count. */
export const teaches = ({ steps, processes }: EvidenceBody): boolean => steps.length > 0 && processes.length === 1
