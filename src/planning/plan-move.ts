import { type Intent, type Plan, siteInQuestion } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import type { Observation } from '../observation/observation.ts'
import { type LearnedDurations, learnedFrom, NOTHING_LEARNED, withLearned } from './expected-durations.ts'
import { factsOf } from './facts.ts'
import { leftOpen, toShutOf } from './fence-coverage.ts'
import { findingsOf } from './findings.ts'
import { livenessOf } from './liveness.ts'
import { aheadFindings, lossFindings, lossOf } from './loss.ts'
import { moveSteps } from './move-steps.ts'
import { predictedTimes } from './predicted-times.ts'
import { fencingFindings, fencingOf, requiredFence, withBestEffort } from './required-fence.ts'
import { selfFencingFindings, selfFencingOf } from './self-fencing.ts'

/** What makes a plan unique; comes in as values, so that planning stays pure. */
export interface PlanIdentity {
  readonly id: string
  readonly nonce: string
  readonly toolVersion: string
  readonly madeIn?: string
}

/**
 * The plan of a move: its steps, the facts that it rests on, and what is predicted. Pure; blockers are in its findings.
 * What former runs took comes in as a value: it changes times, and no decision.
 */
export function planMove(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  identity: PlanIdentity,
  learned: LearnedDurations = NOTHING_LEARNED,
): Plan {
  const liveness = livenessOf(stack, observation, drivers, siteInQuestion(intent))
  const all = withLearned(
    moveSteps(stack, observation, intent, drivers, requiredFence(stack, intent, liveness, drivers)),
    learned,
  )
  const loss = lossOf(stack, observation, intent, drivers)
  const selfFencing = selfFencingOf(stack, observation, intent, drivers, all)
  const toShut = toShutOf(stack, observation, intent, drivers, all)
  const fencing = fencingOf(stack, intent, all, liveness, drivers, toShut)
  const steps = withBestEffort(all, fencing, intent)
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
    facts: factsOf(observation, intent, liveness),
    findings: [
      ...findingsOf(stack, observation, intent, drivers),
      ...fencingFindings(fencing, liveness, intent, selfFencing, leftOpen(all, toShut, fencing.required ?? 'traffic')),
      ...selfFencingFindings(selfFencing, fencing, intent, steps, toShut),
      ...lossFindings(loss, intent),
      ...aheadFindings(stack, observation, intent, drivers),
    ],
    steps,
    fencing,
    liveness,
    predictions: { ...predictedTimes(steps, intent), learned: learnedFrom(steps, learned), loss },
  }
}
