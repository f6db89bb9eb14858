import { type FenceLevel, reaches } from '../domain/fence-levels.ts'
import { PHASES, type Phase, type PlannedStep, type StepId } from '../domain/plan.ts'
import type { SiteName } from '../domain/stack.ts'
import { levelsOfStep } from '../planning/fence-coverage.ts'

/**
 * Which steps of a course must wait until this process has seen the old site shut, and which steps shut it. Pure. What
 * a plan says about its own fencing, what a journal says about a fence and what an earlier process has seen open no
 * gate.
 */
export interface GatedCourse {
  readonly steps: readonly PlannedStep[]
  /** The step after which a run only goes forward. */
  readonly pointOfNoReturn: StepId | null
  /** The level that must be seen shut before anything is promoted; null: none. */
  readonly required: FenceLevel | null
  /**
   * The level that a failover from a silent site requires: for a site that goes silent after the point of no return.
   */
  readonly ofSilentSite: FenceLevel | null
  /** The site that a failover leaves and does not wait for; null in every other mode. */
  readonly lost: SiteName | null
}

export const isFence = (step: PlannedStep): boolean => step.fence !== undefined || step.byTime === true

/** A fence by time cannot be seen, and cannot be opened again. */
export const isByTime = (step: PlannedStep): boolean => step.byTime === true

/**
 * A step that has no way back and is no fence: a promotion, the removal of a former cluster. Its record proves nothing
 * to a process that has not seen it: what depends on it waits for a look.
 */
export const isFinal = (course: GatedCourse, step: PlannedStep): boolean =>
  step.irreversible && step.id !== course.pointOfNoReturn && !isFence(step)

/** A step whose record alone is not believed: each process that depends on it looks again. */
export const isClaim = (course: GatedCourse, step: PlannedStep): boolean =>
  isFence(step) || step.id === course.pointOfNoReturn

/**
 * The point of no return, every irreversible step that is no fence itself, and what else belongs to a promotion that is
 * still to come. What follows a promotion depends on a site that writes already: by then doors that were fences before
 * are open on purpose.
 */
export function isGated(course: GatedCourse, step: PlannedStep, isOver: (step: PlannedStep) => boolean): boolean {
  if (isFence(step) || (course.pointOfNoReturn !== null && isBefore('PROMOTE', step.phase))) return false
  if (step.id === course.pointOfNoReturn || step.irreversible) return true
  return (
    step.phase === 'PROMOTE' &&
    step.mayBeginIn === undefined &&
    course.steps.some((one) => isPromotion(course, one) && !isOver(one))
  )
}

const isPromotion = (course: GatedCourse, step: PlannedStep): boolean =>
  isFinal(course, step) && step.phase === 'PROMOTE'

/** What a gated step depends on: every fence before it, and the point of no return, unless it is that itself. */
export function claimsBefore(course: GatedCourse, gated: PlannedStep): PlannedStep[] {
  const needed = neededBy(course.steps, gated)
  return course.steps.filter(
    (step) =>
      step !== gated &&
      (step.id === course.pointOfNoReturn
        ? step.phase === gated.phase
        : isFence(step) && (isBefore(step.phase, gated.phase) || needed.has(step.id))),
  )
}

/**
 * Whether the steps that were seen shut are enough for a gate. The point of no return comes before the wait for
 * self-fencing, and does not depend on it.
 */
export function holdsFor(course: GatedCourse, gated: PlannedStep, seen: readonly PlannedStep[]): boolean {
  if (course.required === null || waitsBehind(course, gated)) return true
  return reachedBy(seen, course.required)
}

const waitsBehind = (course: GatedCourse, gated: PlannedStep): boolean =>
  gated.id === course.pointOfNoReturn &&
  course.steps.some((step) => isByTime(step) && !claimsBefore(course, gated).includes(step))

export const reachedBy = (steps: readonly PlannedStep[], level: FenceLevel | null): boolean =>
  level === null || reaches(steps.flatMap(levelsOfStep), level)

/** Why no process may run this course: gates that its fences can never open. Empty: none. */
export function gateProblems(course: GatedCourse): string[] {
  return course.steps
    .filter((step) => isGated(course, step, () => false))
    .filter((gated) => !holdsFor(course, gated, claimsBefore(course, gated)))
    .map((gated) => `${gated.id} comes before a fence that reaches ${course.required}`)
}

/** What depends on a fence or a promotion, and does not hold if that does not: all later steps that can be repeated. */
export function restingOn(
  course: GatedCourse,
  claim: PlannedStep,
  isDone: (step: PlannedStep) => boolean,
): PlannedStep[] {
  return course.steps.filter(
    (step) =>
      isDone(step) &&
      !isClaim(course, step) &&
      !step.irreversible &&
      (isBefore(claim.phase, step.phase) || neededBy(course.steps, step).has(claim.id)),
  )
}

const isBefore = (one: Phase, other: Phase): boolean => PHASES.indexOf(one) < PHASES.indexOf(other)

/** Everything that a step needs, directly or not. */
function neededBy(steps: readonly PlannedStep[], step: PlannedStep): ReadonlySet<StepId> {
  const byId = new Map(steps.map((one) => [one.id, one]))
  const found = new Set<StepId>()
  const queue = [...step.needs]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (found.has(id)) continue
    found.add(id)
    queue.push(...(byId.get(id)?.needs ?? []))
  }
  return found
}
