import type { PlannedStep, StepId } from '../domain/plan.ts'
import { readySteps } from '../planning/order-steps.ts'
import { claimsBefore, holdsFor, isByTime, isClaim, isFence, isFinal, isGated, reachedBy, restingOn } from './gates.ts'
import { type Command, type Course, isDone, isOver, type RunState, type Sight, type StepState } from './run-state.ts'

/**
 * What is done, for what comes after it. A fence of an earlier process counts once this process has seen it, as long as
 * something is to be promoted on it: otherwise a last copy would be made of a site that somebody has opened since. What
 * nothing takes back always counts by sight alone: users are not let in to a site that only the journal calls promoted.
 */
export function donesOf(course: Course, run: RunState): Set<StepId> {
  const ahead = course.steps.some((step) => isGatedNow(course, run, step) && !isOver(run.steps[step.id]))
  const isBySight = (step: PlannedStep): boolean => isFinal(course, step) || (ahead && isClaim(course, step))
  const counts = (step: PlannedStep): boolean =>
    isOver(run.steps[step.id]) && (!isBySight(step) || !isDone(run.steps[step.id]) || run.seen[step.id] !== undefined)
  return new Set(course.steps.filter(counts).map(({ id }) => id))
}
export const inTurnOf = (course: Course, run: RunState): Set<StepId> =>
  new Set(readySteps(course.steps, donesOf(course, run), new Set()).map(({ id }) => id))

/**
 * What this process has seen nothing of yet; and what the gated steps that are about to be carried out rest on, as far
 * as it was not seen just now: side by side, and beside the intents of those steps.
 */
export function looksAgain(course: Course, run: RunState, next: readonly PlannedStep[]): Command[] {
  const isNext = (step: PlannedStep): boolean =>
    next.includes(step) || ['intended', 'unsure', 'missing'].includes(run.steps[step.id] ?? 'todo')
  const gated = course.steps.filter((step) => isNext(step) && isGatedNow(course, run, step))
  const unseen = course.steps.filter(({ id }) => isOver(run.steps[id]) && !donesOf(course, run).has(id))
  const claims = new Set([...unseen, ...gated.flatMap((step) => claimsBefore(course, step))])
  return [...claims]
    .filter(({ id }) => isDone(run.steps[id]) && run.seen[id] !== 'now')
    .map(({ id }): Command => ({ do: 'revalidate', step: id }))
}

const isGatedNow = (course: Course, run: RunState, step: PlannedStep): boolean =>
  isGated(course, step, ({ id }) => isOver(run.steps[id]))

/**
 * Whether nothing speaks against the effect of a step: no gate, or one whose fences this process sees shut, all of
 * them, up to the required level, with all done that comes before it.
 */
export function mayPass(course: Course, run: RunState, step: PlannedStep): boolean {
  if (!isGatedNow(course, run, step)) return true
  if (!inTurnOf(course, run).has(step.id)) return false
  const claims = claimsBefore(course, step)
  const counts = ({ id }: PlannedStep): boolean =>
    (isDone(run.steps[id]) && run.seen[id] === 'now') || run.seen[id] === 'excused'
  return (
    claims.every((claim) => counts(claim) || run.steps[claim.id] === 'given-up') &&
    holdsFor(course, step, claims.filter(counts))
  )
}

export const isOpenFor = (course: Course, run: RunState, id: StepId): boolean => {
  const step = course.steps.find((one) => one.id === id)
  return step === undefined || mayPass(course, run, step)
}

/**
 * Nobody opens a fence by time again. A gated step that has only been cleared asks for its fences, and for the lock,
 * once more.
 */
export function faded(course: Course, run: RunState, only?: readonly StepId[]): RunState {
  const seen = Object.fromEntries(
    Object.entries(run.seen).map(([id, sight]): [StepId, Sight] => {
      const stays =
        sight !== 'now' || only?.includes(id) === false || course.steps.some((step) => step.id === id && isByTime(step))
      return [id, stays ? sight : 'once']
    }),
  )
  const steps = Object.fromEntries(
    course.steps.map((step): [StepId, StepState] => {
      const state = run.steps[step.id] ?? 'todo'
      return [step.id, state === 'cleared' && isGatedNow(course, run, step) ? 'missing' : state]
    }),
  )
  return { ...run, steps: run.direction === 'forward' ? steps : run.steps, seen }
}

/**
 * A site that goes silent after this process has seen its fence hold is as it was seen: nobody reaches it to open it.
 * One that this process has never seen shut is known from the journal alone, and that opens no gate.
 */
export function revalidated(course: Course, run: RunState, id: StepId, saw: 'done' | 'pending' | 'unknown'): RunState {
  const step = course.steps.find((one) => one.id === id)
  if (step === undefined || !isDone(run.steps[id])) return run
  if (saw === 'done' || (saw === 'unknown' && run.seen[id] !== undefined))
    return { ...run, seen: { ...run.seen, [id]: 'now' } }
  const { [id]: _, ...seen } = run.seen
  const become = (state: StepState, more: Partial<RunState> = {}): RunState => ({
    ...run,
    seen,
    ...more,
    steps: { ...run.steps, [id]: state },
  })
  if (saw === 'pending' && isFence(step)) return become('reopened')
  // A run that has given its lock back does nothing any more.
  if (saw === 'pending' && isFinal(course, step) && !isComplete(course, run)) return become('reopened')
  if (saw === 'unknown' && mayGiveUp(course, run, id)) return become('lacking')
  if (saw === 'unknown' && mayExcuse(course, run, step))
    return become('lacking', { seen: { ...seen, [id]: 'excused' } })
  return become('failed', { failed: true })
}

/** Nothing of it is left to be done: its lock is given back. */
const isComplete = (course: Course, run: RunState): boolean => course.steps.every(({ id }) => isOver(run.steps[id]))

/**
 * It is done again, and whatever came after it is looked at again in its turn: the last write is another one by now.
 */
export function reopened(course: Course, run: RunState, id: StepId): RunState {
  if (run.steps[id] !== 'reopened') return run
  const again = restingOnClaim(course, run, id).map((step): [StepId, StepState] => [step, 'unsure'])
  return { ...run, steps: { ...run.steps, ...Object.fromEntries(again), [id]: 'missing' } }
}

/** The steps that are to be looked at again with a claim that did not hold. */
export function restingOnClaim(course: Course, run: RunState, id: StepId): StepId[] {
  const claim = course.steps.find((one) => one.id === id)
  return claim === undefined
    ? []
    : restingOn(course, claim, (step) => isDone(run.steps[step.id])).map((step) => step.id)
}

/**
 * A fence beyond the required level does not stop the run when the site refuses it or stays silent. What keeps this
 * process from its journal or its lock does, whatever the step; and what was stopped by the failure of another step has
 * not been tried to its end.
 */
export function mayGiveUp(course: Course, run: RunState, step: StepId): boolean {
  if (run.direction === 'back' || run.failed || run.lost) return false
  const planned = course.steps.find(({ id }) => id === step)
  return (
    planned?.bestEffort !== undefined &&
    TRYING.has(run.steps[step] ?? 'todo') &&
    isDispensable(course, step, course.required, run)
  )
}
const TRYING: ReadonlySet<StepState> = new Set(['intended', 'unsure', 'cleared', 'applied', 'done', 'was-done'])

/** Whether the other fences of the course, without those that were given up, reach a level. */
export function isDispensable(course: Course, id: StepId, level: Course['required'], run?: RunState): boolean {
  const others = course.steps.filter((step) => {
    const state = run?.steps[step.id]
    return isFence(step) && step.id !== id && state !== 'given-up' && state !== 'lacking'
  })
  return reachedBy(others, level)
}

/**
 * Beyond the point of no return nobody goes back. What is demanded of a silent site then is what a failover from it
 * would demand.
 */
const mayExcuse = (course: Course, run: RunState, step: PlannedStep): boolean =>
  course.pointOfNoReturn !== null &&
  isDone(run.steps[course.pointOfNoReturn]) &&
  isFence(step) &&
  isDispensable(course, step.id, course.ofSilentSite, run)
