import {
  changesActiveSite,
  type Fencing,
  type Intent,
  leavesLostSite,
  type PlannedStep,
  siteInQuestion,
} from '../domain/plan.ts'
import type { Component, Stack } from '../domain/stack.ts'
import { fenceStepsOf, moveStepsOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { withBestEffort } from './best-effort.ts'
import { fenceLevels, leftOpen, levelsByTime, type ToShut, toShutOf } from './fence-coverage.ts'
import { fencesInReach } from './fences-in-reach.ts'
import { findingsOf } from './findings.ts'
import { followerSteps } from './followers.ts'
import { livenessOf } from './liveness.ts'
import { aheadFindings, lossOf } from './loss.ts'
import type { FenceAssessment, MoveAssessment } from './move-assessment.ts'
import { promotedByFollow } from './moved-by-itself.ts'
import { requiredFence } from './required-fence.ts'
import { selfFencingOf, selfFencingSteps } from './self-fencing.ts'

/** Asks every driver once what it plans and knows about this move, and decides what follows from that. Pure. */
export function assessMove(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): MoveAssessment {
  const liveness = livenessOf(stack, observation, drivers, siteInQuestion(intent))
  const required = requiredFence(stack, intent, liveness, drivers)
  const inReach = leavesLostSite(intent) ? fencesInReach(stack, observation, intent.from, drivers) : []
  const fences = stepsPlannedBy(stack, inReach, observation, intent, drivers, fenceStepsOf)
  const main = stepsPlannedBy(stack, stack.components, observation, intent, drivers, moveStepsOf)
  const shutting = [...fences, ...main]
  const toShut = toShutOf(stack, observation, intent, drivers, shutting)
  const selfFencing = selfFencingOf(stack, observation, intent, drivers, shutting, { required, toShut })
  const waits = selfFencingSteps(selfFencing, required, shutting, toShut)
  const fencing = fencingOf(intent, required, [...shutting, ...waits], toShut)
  const mark = (steps: readonly PlannedStep[]): PlannedStep[] => withBestEffort(steps, fencing, intent)
  const planned = {
    fences: mark(fences),
    main: mark(main),
    waits: mark(waits),
    followers: mark(followerSteps(stack, intent, drivers)),
  }
  return {
    stack,
    observation,
    intent,
    liveness,
    fence: fenceAssessment(fencing, [...planned.fences, ...planned.main, ...planned.waits], toShut),
    selfFencing,
    planned,
    loss: lossOf(stack, observation, intent, drivers),
    findings: findingsOf(stack, observation, intent, drivers),
    wouldPromote: promotedByFollow(stack, observation, intent, drivers, shutting),
    ahead: aheadFindings(stack, observation, intent, drivers),
  }
}

/** What each of the components plans. */
const stepsPlannedBy = (
  stack: Stack,
  components: readonly Component[],
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  ask: typeof moveStepsOf | typeof fenceStepsOf,
): PlannedStep[] =>
  components.flatMap((component) =>
    ask(drivers[component.driver], component, observation.components[component.name] ?? {}, intent, stack),
  )

/** What is required, and what the steps shut. A mode that leaves the active site in place requires nothing. */
function fencingOf(
  intent: Intent,
  required: Fencing['required'],
  steps: readonly PlannedStep[],
  toShut: ToShut,
): Fencing {
  if (!changesActiveSite(intent)) return { required: null, planned: [] }
  const byTime = levelsByTime(steps, toShut)
  return { required, planned: fenceLevels(steps, toShut), ...(byTime.length === 0 ? {} : { byTime }) }
}

function fenceAssessment(fencing: Fencing, steps: readonly PlannedStep[], toShut: ToShut): FenceAssessment {
  const withoutBestEffort = steps.filter(({ bestEffort }) => bestEffort === undefined)
  return {
    ...fencing,
    certain: fenceLevels(withoutBestEffort, toShut),
    leftOpen: fencing.required === null ? [] : leftOpen(steps, toShut, fencing.required),
  }
}
