import { PHASES, type Phase, type PlannedStep, type StepId } from '../domain/plan.ts'
import { readySteps, sequenceOf } from '../planning/order-steps.ts'
import {
  donesOf,
  faded,
  inTurnOf,
  isDispensable,
  isOpenFor,
  looksAgain,
  mayGiveUp,
  mayPass,
  reopened,
  revalidated,
} from './claims.ts'
import { isClaim, isFence, isFinal, isGated } from './gates.ts'
import {
  type Command,
  type Course,
  isDone,
  isOffRecord,
  isOver,
  type OfEarlier,
  type RunEvent,
  type RunState,
  type StepState,
} from './run-state.ts'

/** The state in which a process begins or continues a run. */
export function beginRun(course: Course, { onRecord, turnedBack, continued }: OfEarlier): RunState {
  const states = {
    intent: 'unsure',
    done: 'done',
    'was-done': 'was-done',
    'given-up': 'given-up',
    undone: 'undone',
  } as const
  const gatesAhead = course.steps.some(
    (step) => isGated(course, step, ({ id }) => isOver(onRecord.get(id))) && !isOver(onRecord.get(step.id)),
  )
  const complete = course.steps.every(({ id }) => isOver(onRecord.get(id)))
  const unserved = course.steps.some(({ id, phase }) => UNTIL_SERVED.has(phase) && !isOver(onRecord.get(id)))
  const steps = Object.fromEntries(
    course.steps.map(({ id, phase, bestEffort }): [StepId, StepState] => {
      const recorded = onRecord.get(id)
      if (recorded === undefined) return [id, 'todo']
      // Another controller may have stopped the application since: it is checked again, and started, before users are
      // let in.
      if (phase === 'START' && unserved && isDone(recorded) && course.pointOfNoReturn !== null) return [id, 'unsure']
      // A lock that an earlier process held is observed anew, unless nothing is left to do: it may have expired, and
      // another process may hold it.
      if (id === course.lock && !complete) return [id, 'unsure']
      // What the run cannot go on without was not given up by any run of this code: it counts as a claim, and is
      // looked at.
      const claimed = recorded === 'given-up' && gatesAhead && !isDispensable(course, id, course.required)
      if (claimed) return [id, 'done']
      // Nor was anything that is not tried for a while and then left: not the point of no return, and not a promotion.
      return [id, recorded === 'given-up' && bestEffort === undefined ? 'unsure' : states[recorded]]
    }),
  )
  const committed = course.pointOfNoReturn !== null && isDone(steps[course.pointOfNoReturn])
  const lockAsked = course.lock !== null && onRecord.has(course.lock)
  const run: RunState = {
    direction: 'forward',
    failed: false,
    lost: false,
    ended: false,
    continued: continued && lockAsked,
    steps,
    seen: {},
  }
  return turnedBack && !committed ? goingBack(course, run) : run
}

/**
 * `undone` promises that what this run has shut is open. So a process that continues a run looks for itself at each
 * fence of the plan that is not on record as shut, and first at the point of no return: an entry that says that it was
 * opened is a claim, and one that is gone says nothing. What is seen open, or not seen, is not this run's to open:
 * whether the old site is well is asked only of what was shut. A lost site is asked for no more than is on record.
 */
function goingBack(course: Course, run: RunState): RunState {
  const isLookedAt = (step: PlannedStep): boolean =>
    step.id === course.pointOfNoReturn || (isFence(step) && (course.lost === null || step.site !== course.lost))
  const offRecord = (step: PlannedStep): [StepId, StepState][] => {
    const state = run.steps[step.id] ?? 'todo'
    if (!run.continued || !isLookedAt(step) || (state !== 'todo' && state !== 'undone')) return []
    if (step.id === course.pointOfNoReturn) return [[step.id, 'unsure']]
    return [[step.id, state === 'todo' ? 'unwritten' : 'said-undone']]
  }
  return { ...run, direction: 'back', steps: { ...run.steps, ...Object.fromEntries(course.steps.flatMap(offRecord)) } }
}

const UNTIL_SERVED: ReadonlySet<Phase> = new Set(['START', 'SMOKE', 'TRAFFIC'])

/**
 * All that may be carried out now, in any order or side by side; what concerns the whole run only when nothing else is
 * under way.
 */
export function commandsOf(course: Course, run: RunState): Command[] {
  if (run.ended) return []
  if (run.lost) return [{ do: 'end', verdict: 'stopped' }]
  return run.direction === 'forward' ? forward(course, run) : back(course, run)
}

function forward(course: Course, run: RunState): Command[] {
  const done = donesOf(course, run)
  const inTurn = inTurnOf(course, run)
  const under = course.steps.flatMap((step) => {
    const state = run.steps[step.id] ?? 'todo'
    // What rests on a fence that was open waits until that is shut again.
    if (state === 'unsure' && !run.failed && !inTurn.has(step.id) && step.id !== course.lock) return []
    if (state === 'missing' && !mayPass(course, run, step)) return []
    return commandFor(step, state, run.failed && course.stopsOthers)
  })
  if (run.failed) {
    if (under.length > 0) return under
    return mayTurnBack(course, run) ? [{ do: 'turn-back' }] : [{ do: 'end', verdict: 'stopped' }]
  }
  // After the point of no return, what depends on a step that was taken back may not hold: a person has to look.
  if (course.steps.some(({ id }) => run.steps[id] === 'undone')) return [{ do: 'end', verdict: 'stopped' }]
  if (course.steps.every(({ id }) => done.has(id))) return [{ do: 'end', verdict: 'moved' }]
  const begun = new Set(course.steps.filter(({ id }) => run.steps[id] !== 'todo').map(({ id }) => id))
  // A run that is continued holds the lock again before it does anything else.
  if (course.lock !== null && begun.has(course.lock) && !done.has(course.lock))
    return under.filter((command) => 'step' in command && command.step === course.lock)
  const next = readySteps(course.steps, done, begun)
  const commands = [
    ...under,
    ...next.map(({ id }): Command => ({ do: 'record-intent', step: id })),
    ...looksAgain(course, run, next),
  ]
  return commands.length > 0 ? commands : [{ do: 'end', verdict: 'stopped' }]
}

function commandFor(step: PlannedStep, state: StepState, failed: boolean): Command[] {
  const to = (what: Extract<Command, { step: StepId }>['do']): Command[] => [{ do: what, step: step.id }]
  if (state === 'holds' || state === 'held') return to('record-result')
  if (state === 'lacking') return to('record-given-up')
  if (state === 'reopened') return to('record-reopened')
  if (failed) return []
  if (state === 'intended' || state === 'unsure' || state === 'applied') return to('observe')
  if (state === 'missing') return to(needsLock(step) ? 'assert-ours' : 'apply')
  if (state === 'cleared') return to('apply')
  return []
}

/**
 * Last first, one at a time, each after a fresh look at the lock: to open the old site again is as dangerous as to
 * promote the new one. The point of no return comes first: nothing is opened before it is certain that it was not
 * passed, and cannot be passed any more.
 */
function back(course: Course, run: RunState): Command[] {
  const lock = course.steps.find(({ id }) => id === course.lock)
  const lockState = lock === undefined ? 'done' : (run.steps[lock.id] ?? 'todo')
  if (lock !== undefined && lockState !== 'failed' && lockState !== 'todo' && !isDone(lockState))
    return commandFor(lock, lockState, false)
  if (lockState === 'failed') return [{ do: 'end', verdict: 'stopped' }]
  // The lock was never asked for: nothing was done under it.
  if (lockState === 'todo') return [{ do: 'end', verdict: 'undone' }]
  for (const step of wayBack(course)) {
    const state = run.steps[step.id] ?? 'todo'
    if (step.id === course.pointOfNoReturn && state === 'stuck') return [{ do: 'end', verdict: 'stopped' }]
    if (state === 'cleared-back') return [{ do: 'take-back', step: step.id }]
    if (state === 'taken-back') return [{ do: 'record-undone', step: step.id }]
    if (isOffRecord(state)) return [{ do: 'observe', step: step.id }]
    if (mayHaveHappened(state) && needsLock(step)) return [{ do: 'assert-ours', step: step.id }]
  }
  const stuck = course.steps.some(({ id }) => run.steps[id] === 'stuck')
  return [{ do: 'end', verdict: stuck ? 'stopped' : 'undone' }]
}

/**
 * The phases backwards; within one, components in the order in which they stand on each other: users are let in when
 * what serves them is there.
 */
function wayBack(course: Course): PlannedStep[] {
  const components = [...new Set(course.steps.map(({ component }) => component))]
  const forward = sequenceOf(course.steps)
  const place = (step: PlannedStep): number[] => [
    step.id === course.pointOfNoReturn ? 0 : 1,
    -PHASES.indexOf(step.phase),
    components.indexOf(step.component),
    -forward.indexOf(step),
  ]
  return forward.toSorted((a, b) => compare(place(a), place(b)))
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

/** What an event changes. An event that does not fit the state of its step changes nothing. */
export function advance(course: Course, run: RunState, event: RunEvent): RunState {
  if (event.is === 'lost') return { ...run, lost: true }
  if (event.is === 'ended') return { ...run, ended: true }
  if (event.is === 'turned-back') return goingBack(course, run)
  if (event.is === 'faded') return faded(course, run, event.steps)
  if (event.is === 'revalidated') return revalidated(course, run, event.step, event.saw)
  if (event.is === 'reopened-recorded') return reopened(course, run, event.step)
  const before = run.steps[event.step] ?? 'todo'
  if (event.is === 'cleared' && run.direction === 'forward' && !isOpenFor(course, run, event.step)) return run
  if (event.is === 'threw' && mayGiveUp(course, run, event.step))
    return { ...run, steps: { ...run.steps, [event.step]: 'lacking' } }
  const next = nextState(before, event, run.direction === 'back' && event.step !== course.lock)
  // An earlier process may have shut it, so a run that goes back opens it.
  const after =
    next === 'held' && run.continued && course.steps.some((step) => step.id === event.step && isFence(step))
      ? 'holds'
      : next
  const steps = after === before ? run.steps : { ...run.steps, [event.step]: after }
  if (event.is === 'committed') return { ...run, direction: 'forward', failed: true, steps }
  const isSeen = (step: PlannedStep): boolean => isClaim(course, step) || isFinal(course, step)
  const saw = event.is === 'result-recorded' && course.steps.some((step) => step.id === event.step && isSeen(step))
  const seen: RunState['seen'] = saw ? { ...run.seen, [event.step]: 'now' } : run.seen
  return { ...run, failed: run.failed || event.is === 'threw', steps, seen }
}

type OfOneStep = Exclude<Extract<RunEvent, { step: StepId }>, { is: 'revalidated' | 'reopened-recorded' }>

function nextState(state: StepState, event: OfOneStep, goingBack: boolean): StepState {
  switch (event.is) {
    case 'intent-recorded':
      return state === 'todo' ? 'intended' : state
    case 'observed':
      if (isOffRecord(state) && event.saw !== 'done') return state === 'unwritten' ? 'todo' : 'undone'
      if (isOffRecord(state)) return 'unsure'
      if (event.saw === 'done') return seenDone(state)
      // If no process has tried it, an effect without a look does no harm: it is idempotent. If one may have, it is
      // observed until it is certain.
      return state === 'intended' || (state === 'unsure' && event.saw === 'pending') ? 'missing' : state
    case 'cleared':
      if (goingBack) return 'cleared-back'
      return state === 'missing' ? 'cleared' : state
    case 'applied':
      return state === 'cleared' || state === 'missing' ? 'applied' : state
    case 'result-recorded':
      if (state === 'holds') return 'done'
      return state === 'held' ? 'was-done' : state
    case 'given-up-recorded':
      return state === 'lacking' ? 'given-up' : state
    case 'taken-back':
      return state === 'cleared-back' ? 'taken-back' : state
    case 'undone-recorded':
      return state === 'taken-back' ? 'undone' : state
    case 'committed':
      return 'holds'
    case 'threw':
      return goingBack ? 'stuck' : 'failed'
  }
}

function seenDone(state: StepState): StepState {
  if (state === 'intended') return 'held'
  return state === 'unsure' || state === 'applied' ? 'holds' : state
}

/**
 * Whether the point of no return is not known to be passed. Where that is uncertain, going back begins by making it
 * certain. A process that failed to take the lock can take nothing back, and leaves the direction to the next one.
 */
export function mayTurnBack(course: Course, run: RunState): boolean {
  if (course.lock === null || course.pointOfNoReturn === null || run.steps[course.lock] === 'failed') return false
  const state = run.steps[course.pointOfNoReturn]
  return !isDone(state) && state !== 'holds' && state !== 'held'
}

/** Between taking the lock and releasing it, every effect asserts the lock again. */
export const needsLock = (step: PlannedStep): boolean => !WITHOUT_LOCK.has(step.phase)
const WITHOUT_LOCK: ReadonlySet<Phase> = new Set(['PREFLIGHT', 'LOCK', 'CLOSED'])

/** Whether its effect may have happened, or may still arrive. A run takes back nothing that was there before it. */
const mayHaveHappened = (state: StepState): boolean =>
  [
    'unsure',
    'intended',
    'missing',
    'cleared',
    'applied',
    'holds',
    'done',
    'failed',
    'reopened',
    'lacking',
    'given-up',
  ].includes(state)
