import type { PlannedStep, StepId } from '../domain/plan.ts'
import { readySteps } from '../planning/order-steps.ts'
import { claimsBefore, holdsFor, isByTime, isClaim, isFence, isFinal, isGated, reachedBy, restingOn } from './gates.ts'
import { type Command, type Course, isDone, isOver, type RunState, type Sight, type StepState } from './run-state.ts'

/**
 * The steps that count as done for later ones. A fence of an earlier process counts only after this process has seen
 * it, as long as a promotion depends on it: otherwise the last copy would be made of a site that was opened since. A
 * final step always counts only when seen: no user is let in to a site that only the journal calls promoted.
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
 * The claims to revalidate: those that this process has not seen yet, and those that the next gated steps depend on and
 * that were not seen just now. They are looked at in parallel, and beside the intents of those steps.
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
 * Whether a step may have its effect: it has no gate, or this process sees all fences before the gate shut, up to the
 * required level, and everything before the step is done.
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
 * What was seen gets old. A fence by time does not: it cannot be opened again. A gated step that is cleared, and not
 * applied yet, looks at its fences and asserts the lock again.
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
 * A site that went silent after this process saw its fence hold is assumed unchanged: it cannot be reached to be
 * opened. A site that this process never saw shut is known from the journal alone, and that opens no gate.
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
  // A run does nothing after it has released its lock.
  if (saw === 'pending' && isFinal(course, step) && !isComplete(course, run)) return become('reopened')
  if (saw === 'unknown' && mayGiveUp(course, run, id)) return become('lacking')
  if (saw === 'unknown' && mayExcuse(course, run, step))
    return become('lacking', { seen: { ...seen, [id]: 'excused' } })
  return become('failed', { failed: true })
}

/** Everything is done, and the lock is released. */
const isComplete = (course: Course, run: RunState): boolean => course.steps.every(({ id }) => isOver(run.steps[id]))

/**
 * It is done again, and what came after it is looked at again in its turn: the last write may be another one by now.
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
 * A fence beyond the required level does not stop the run when its site refuses it or stays silent. Trouble with the
 * journal or the lock does, whatever the step is. A step that the failure of another one stopped was not tried to its
 * end.
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

/** Whether the other fences of the course reach a level without this one, and without those that were given up. */
export function isDispensable(course: Course, id: StepId, level: Course['required'], run?: RunState): boolean {
  const others = course.steps.filter((step) => {
    const state = run?.steps[step.id]
    return isFence(step) && step.id !== id && state !== 'given-up' && state !== 'lacking'
  })
  return reachedBy(others, level)
}

/** After the point of no return the run only goes forward: a silent site must be shut as far as a failover requires. */
const mayExcuse = (course: Course, run: RunState, step: PlannedStep): boolean =>
  course.pointOfNoReturn !== null &&
  isDone(run.steps[course.pointOfNoReturn]) &&
  isFence(step) &&
  isDispensable(course, step.id, course.ofSilentSite, run)
