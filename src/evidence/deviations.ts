import { reaches } from '../domain/fence-levels.ts'
import type { Loss, NamedFact, Plan, StepId } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import { staleFacts } from '../planning/facts.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import type { FoundLoss } from './kept-loss.ts'
import type { MoveVerdict } from './operation.ts'
import type { ReachedFence } from './reached-fence.ts'
import { intervalText } from './words.ts'

/** A difference between the plan and the run. */
export interface Deviation {
  readonly what: string
  readonly predicted: string
  readonly was: string
}

export interface WhatHappened {
  readonly verdict: MoveVerdict
  readonly steps: readonly StepReport[]
  /** Includes steps that were taken back or done afterwards. */
  readonly failed: readonly StepId[]
  /** Optional fences that could not be shut. */
  readonly givenUp: readonly { readonly step: StepId; readonly why: string }[]
  readonly started: readonly NamedFact[] | null
  readonly fence: ReachedFence
  readonly lost: Loss | null
  readonly found: FoundLoss | null
  readonly writeGap: Milliseconds | null
}

/** A smaller excess over the expected time is noise. */
const NOISE = seconds(2)
const FACTOR = 1.5

/**
 * The differences between the plan and the run: times above 1.5 times the expected ones, loss outside of the predicted
 * interval, facts that changed. Pure.
 */
export function deviationsOf(plan: Plan, was: WhatHappened): Deviation[] {
  const moved = was.started === null ? [] : staleFacts(plan.facts, was.started)
  return [
    ...moved.map((fact): Deviation => ({ what: `fact ${fact.fact}`, predicted: fact.planned, was: fact.now })),
    ...ofFence(was),
    ...ofLoss(plan.predictions.loss, was.lost),
    ...ofFound(was.found),
    ...ofTime('writes refused for', plan.predictions.writeGap, was.writeGap),
    ...was.failed.map((step): Deviation => ({ what: step, predicted: 'done', was: 'failed' })),
    ...was.givenUp.map(({ step, why }): Deviation => ({ what: step, predicted: 'done', was: `given up: ${why}` })),
    ...was.steps.flatMap((step) => ofStep(plan, step)),
  ]
}

function ofFence({ fence: { required, reached }, verdict }: WhatHappened): Deviation[] {
  if (verdict !== 'moved' || required === null || reaches(reached, required)) return []
  return [{ what: 'fence', predicted: required, was: reached.join(', ') || 'nothing' }]
}

function ofLoss(predicted: Loss, lost: Loss | null): Deviation[] {
  if (lost === null) return []
  return (['bytes', 'seconds'] as const).flatMap((unit): Deviation[] => {
    const [low, high] = predicted[unit]
    const [, most] = lost[unit]
    const above = high !== null && (most === null || most > high)
    const below = most !== null && most < low
    if (!above && !below) return []
    return [
      { what: `loss in ${unit}`, predicted: intervalText(predicted[unit], unit), was: intervalText(lost[unit], unit) },
    ]
  })
}

/**
 * Compares the loss that a rejoin found with the one that the move before it predicted and measured. An unknown upper
 * end proves nothing.
 */
function ofFound(found: FoundLoss | null): Deviation[] {
  if (found?.follows.is !== 'known') return []
  const { run, mode, predicted, counted } = found.follows
  // A write without a commit is not a loss.
  const units = found.seconds[1] === 0 ? (['seconds'] as const) : (['bytes', 'seconds'] as const)
  const outside = (said: Loss | null, how: string): Deviation[] =>
    units.flatMap((unit) =>
      said === null || !isOutside(found[unit], said[unit])
        ? []
        : [
            {
              what: `loss in ${unit} of ${mode} ${run}, as it ${how} it`,
              predicted: intervalText(said[unit], unit),
              was: intervalText(found[unit], unit),
            },
          ],
    )
  return [...outside(predicted, 'predicted'), ...outside(counted, 'counted')]
}

const isOutside = ([least, most]: Loss['bytes'], [low, high]: Loss['bytes']): boolean =>
  (high !== null && least > high) || (most !== null && most < low)

function ofStep(plan: Plan, step: StepReport): Deviation[] {
  const planned = plan.steps.find(({ id }) => id === step.id)
  if (planned === undefined || step.outcome !== 'done' || step.begunAt === null || step.endedAt === null) return []
  return ofTime(step.id, planned.expected, Date.parse(step.endedAt) - Date.parse(step.begunAt))
}

function ofTime(what: string, predicted: Milliseconds, was: Milliseconds | null): Deviation[] {
  if (was === null || was <= predicted * FACTOR || was - predicted <= NOISE) return []
  return [{ what, predicted: readableDuration(predicted), was: readableDuration(was) }]
}
