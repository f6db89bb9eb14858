import type { LearnedFrom, PlannedStep } from '../domain/plan.ts'
import type { Milliseconds } from '../values/duration.ts'

/** How long an action took in former runs: half of them were done after `p50`, three of four after `p75`. */
export interface LearnedDuration {
  readonly p50: Milliseconds
  readonly p75: Milliseconds
  readonly runs: number
}

/** By `component.action`, wherever it ran: sites change their roles with every move. */
export type LearnedDurations = ReadonlyMap<string, LearnedDuration>

/** The key of a step's action: its id without the site. */
export const actionKey = (step: string): string => step.split('@')[0] ?? step

/**
 * The steps with what they really take, where former runs say so: for plans and their predictions. A wait takes as long
 * as it is declared. Pure.
 */
export function withLearned(steps: readonly PlannedStep[], learned: LearnedDurations): PlannedStep[] {
  return steps.map((step) => ({
    ...step,
    expected: (step.byTime === true ? undefined : learned.get(actionKey(step.id))?.p50) ?? step.expected,
  }))
}

/**
 * What the times of these steps rest on: the times of a step that no former run performed are its driver's estimate.
 * Pure.
 */
export function learnedFrom(steps: readonly PlannedStep[], learned: LearnedDurations): LearnedFrom {
  const known = steps.flatMap(({ id }) => learned.get(actionKey(id)) ?? [])
  return { runs: Math.max(0, ...known.map(({ runs }) => runs)), steps: known.length }
}

/** No former run is known. */
export const NOTHING_LEARNED: LearnedDurations = new Map()
