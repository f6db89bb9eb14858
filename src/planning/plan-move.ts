import type { Fencing, Intent, Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { assessMove } from './assess-move.ts'
import { type LearnedDurations, learnedFrom, NOTHING_LEARNED, withLearned } from './expected-durations.ts'
import { factsOf } from './facts.ts'
import type { FenceAssessment } from './move-assessment.ts'
import { findingsOfMove } from './move-findings.ts'
import { stepsOfMove } from './move-steps.ts'
import { predictedTimes } from './predicted-times.ts'

/** What makes a plan unique: values, so that planning stays pure. */
export interface PlanIdentity {
  readonly id: string
  readonly nonce: string
  readonly toolVersion: string
  readonly madeIn?: string
}

/**
 * The plan of a move: its steps, the facts that it depends on, and its predictions. Blockers are in its findings. The
 * durations of earlier runs change predicted times, and decide nothing. Throws `plan-defect` when the steps of the
 * drivers do not fit together. Pure.
 */
export function planMove(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  identity: PlanIdentity,
  learned: LearnedDurations = NOTHING_LEARNED,
): Plan {
  const assessment = assessMove(stack, observation, intent, drivers)
  const steps = withLearned(stepsOfMove(assessment), learned)
  const madeAt = observation.at
  return {
    schemaVersion: 1,
    id: identity.id,
    stack: { name: stack.name, digest: stack.source.digest },
    tool: { name: 'standby', version: identity.toolVersion },
    intent,
    epoch: observation.witness.kind === 'answering' ? (observation.witness.active?.epoch ?? 0) : 0,
    madeAt,
    ...(identity.madeIn === undefined ? {} : { madeIn: identity.madeIn }),
    expiresAt: new Date(Date.parse(madeAt) + stack.approval.expiry).toISOString(),
    nonce: identity.nonce,
    facts: factsOf(observation, intent, assessment.liveness),
    findings: findingsOfMove(assessment),
    steps,
    fencing: fencingOfPlan(assessment.fence),
    liveness: assessment.liveness,
    predictions: {
      ...predictedTimes(steps, intent),
      learned: learnedFrom(steps, learned),
      loss: assessment.loss,
    },
  }
}

const fencingOfPlan = ({ required, planned, byTime }: FenceAssessment): Fencing => ({
  required,
  planned,
  ...(byTime === undefined ? {} : { byTime }),
})
