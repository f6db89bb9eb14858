import { readySteps, sequenceOf } from '../planning/order-steps.ts'
import { PHASES, type Phase, type PlannedStep, type StepId } from '../planning/plan.ts'

/**
 * What a run does next, and what it knows afterwards. Pure: production, the tests and the model checker ask this very code,
 * and differ only in what carries out its commands.
 */
export interface Course {
  readonly steps: readonly PlannedStep[]
  /** The step that takes the lock; null for work that needs none, such as a backup. */
  readonly lock: StepId | null
  /** The step after which a run only goes forward. */
  readonly pointOfNoReturn: StepId | null
}

/** How far one step is, as far as this process knows. */
export type StepState =
  /** Nothing of it is on record. */
  | 'todo'
  /** This process has put its intent on record, and tried nothing yet. */
  | 'intended'
  /** An earlier process has put its intent on record: its effect may have happened, or may still be on its way. */
  | 'unsure'
  /** Seen not to hold. */
  | 'missing'
  /** Lock and epoch were read again: its effect may be tried. */
  | 'cleared'
  /** Its effect was tried and is waited for. */
  | 'applied'
  /** Seen to hold; not on record yet. */
  | 'holds'
  /** As `holds`, and nobody of this run had touched it. */
  | 'held'
  | 'done'
  | 'was-done'
  | 'failed'
  /** A fence that is not needed could not be shut; not on record yet. */
  | 'lacking'
  /** The run goes on without it. Its effect may have happened. */
  | 'given-up'
  /** Lock and epoch were read again: it may be taken back. */
  | 'cleared-back'
  /** Taken back; not on record yet. */
  | 'taken-back'
  | 'undone'
  /** Could not be taken back. */
  | 'stuck'

export interface RunState {
  readonly direction: 'forward' | 'back'
  /** Something went wrong: nothing new begins. */
  readonly failed: boolean
  /** Somebody else holds the lock, or a later epoch has begun: this process touches nothing any more. */
  readonly lost: boolean
  readonly ended: boolean
  readonly steps: Readonly<Record<StepId, StepState>>
}

export type Verdict = 'moved' | 'undone' | 'stopped'
export type Command =
  | {
      readonly do:
        | 'record-intent'
        | 'observe'
        | 'assert-ours'
        | 'apply'
        | 'record-result'
        | 'record-given-up'
        | 'take-back'
        | 'record-undone'
      readonly step: StepId
    }
  | { readonly do: 'turn-back' }
  | { readonly do: 'end'; readonly verdict: Verdict }

export type RunEvent =
  | {
      readonly is: 'intent-recorded' | 'cleared' | 'applied' | 'result-recorded' | 'given-up-recorded' | 'taken-back' | 'undone-recorded'
      readonly step: StepId
    }
  | { readonly is: 'observed'; readonly step: StepId; readonly saw: 'done' | 'pending' | 'unknown' }
  /** Waiting or trying again does not help. */
  | { readonly is: 'threw'; readonly step: StepId }
  /** The point of no return turned out to be behind us. */
  | { readonly is: 'committed'; readonly step: StepId }
  | { readonly is: 'lost' }
  | { readonly is: 'turned-back' }
  | { readonly is: 'ended' }

/** The code with which the point of no return refuses to be taken back: it has happened. */
export const PAST = 'past-point-of-no-return'

/** What a run's journal says of its steps. */
export type OnRecord = 'intent' | 'done' | 'was-done' | 'given-up' | 'undone'

/** The state in which a process begins or continues a run. */
export function beginRun(course: Course, onRecord: ReadonlyMap<StepId, OnRecord>, turnedBack: boolean): RunState {
  const states = { intent: 'unsure', done: 'done', 'was-done': 'was-done', 'given-up': 'given-up', undone: 'undone' } as const
  const complete = course.steps.every(({ id }) => isOver(onRecord.get(id)))
  const steps = Object.fromEntries(
    course.steps.map(({ id }): [StepId, StepState] => {
      const recorded = onRecord.get(id)
      if (recorded === undefined) return [id, 'todo']
      // A lock that an earlier process held is observed anew, unless nothing is left to do: it may have expired, and gone to somebody else.
      return [id, id === course.lock && !complete ? 'unsure' : states[recorded]]
    }),
  )
  const committed = course.pointOfNoReturn !== null && isDone(steps[course.pointOfNoReturn])
  return { direction: turnedBack && !committed ? 'back' : 'forward', failed: false, lost: false, ended: false, steps }
}

/** All that may be carried out now, in any order or side by side; what concerns the whole run only when nothing else is under way. */
export function commandsOf(course: Course, run: RunState): Command[] {
  if (run.ended) return []
  if (run.lost) return [{ do: 'end', verdict: 'stopped' }]
  return run.direction === 'forward' ? forward(course, run) : back(course, run)
}

function forward(course: Course, run: RunState): Command[] {
  const under = course.steps.flatMap((step) => commandFor(step, run.steps[step.id] ?? 'todo', run.failed))
  if (run.failed) {
    if (under.length > 0) return under
    return mayTurnBack(course, run) ? [{ do: 'turn-back' }] : [{ do: 'end', verdict: 'stopped' }]
  }
  // Behind the point of no return, what was built on a step that was taken back may not hold: a person has to look.
  if (course.steps.some(({ id }) => run.steps[id] === 'undone')) return [{ do: 'end', verdict: 'stopped' }]
  const done = new Set(course.steps.filter(({ id }) => isOver(run.steps[id])).map(({ id }) => id))
  if (done.size === course.steps.length) return [{ do: 'end', verdict: 'moved' }]
  const begun = new Set(course.steps.filter(({ id }) => run.steps[id] !== 'todo').map(({ id }) => id))
  // A run that is continued holds the lock again before it does anything else.
  if (course.lock !== null && begun.has(course.lock) && !done.has(course.lock))
    return under.filter((command) => 'step' in command && command.step === course.lock)
  return [...under, ...readySteps(course.steps, done, begun).map(({ id }): Command => ({ do: 'record-intent', step: id }))]
}

function commandFor(step: PlannedStep, state: StepState, failed: boolean): Command[] {
  const to = (what: Extract<Command, { step: StepId }>['do']): Command[] => [{ do: what, step: step.id }]
  if (state === 'holds' || state === 'held') return to('record-result')
  if (state === 'lacking') return to('record-given-up')
  if (failed) return []
  if (state === 'intended' || state === 'unsure' || state === 'applied') return to('observe')
  if (state === 'missing') return to(needsLock(step) ? 'assert-ours' : 'apply')
  if (state === 'cleared') return to('apply')
  return []
}

/**
 * Last first, one at a time, each behind a fresh look at the lock: to open the old site again is as dangerous as to promote the new one.
 * The point of no return comes before all others: nothing is opened before it is certain that it was not passed, and can not be any more.
 */
function back(course: Course, run: RunState): Command[] {
  const lock = course.steps.find(({ id }) => id === course.lock)
  const lockState = lock === undefined ? 'done' : (run.steps[lock.id] ?? 'todo')
  if (lock !== undefined && lockState !== 'failed' && lockState !== 'todo' && !isDone(lockState)) return commandFor(lock, lockState, false)
  if (lockState === 'failed') return [{ do: 'end', verdict: 'stopped' }]
  // The lock was never asked for: nothing was done under it.
  if (lockState === 'todo') return [{ do: 'end', verdict: 'undone' }]
  for (const step of wayBack(course)) {
    const state = run.steps[step.id] ?? 'todo'
    if (step.id === course.pointOfNoReturn && state === 'stuck') return [{ do: 'end', verdict: 'stopped' }]
    if (state === 'cleared-back') return [{ do: 'take-back', step: step.id }]
    if (state === 'taken-back') return [{ do: 'record-undone', step: step.id }]
    if (mayHaveHappened(state) && needsLock(step)) return [{ do: 'assert-ours', step: step.id }]
  }
  const stuck = course.steps.some(({ id }) => run.steps[id] === 'stuck')
  return [{ do: 'end', verdict: stuck ? 'stopped' : 'undone' }]
}

/** The phases backwards; within one, components in the order in which they stand on each other: users are let in when what serves them is there. */
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
  if (event.is === 'turned-back') return { ...run, direction: 'back' }
  const before = run.steps[event.step] ?? 'todo'
  if (event.is === 'threw' && mayGiveUp(course, run, event.step)) return { ...run, steps: { ...run.steps, [event.step]: 'lacking' } }
  const after = nextState(before, event, run.direction === 'back' && event.step !== course.lock)
  const steps = after === before ? run.steps : { ...run.steps, [event.step]: after }
  if (event.is === 'committed') return { ...run, direction: 'forward', failed: true, steps }
  return { ...run, failed: run.failed || event.is === 'threw', steps }
}

function nextState(state: StepState, event: Extract<RunEvent, { step: StepId }>, goingBack: boolean): StepState {
  switch (event.is) {
    case 'intent-recorded':
      return state === 'todo' ? 'intended' : state
    case 'observed':
      if (event.saw === 'done') return state === 'intended' ? 'held' : state === 'unsure' || state === 'applied' ? 'holds' : state
      // Where nobody has tried anything, an effect does no harm unseen: it is idempotent. Where somebody may have, it is observed until it is certain.
      return state === 'intended' || (state === 'unsure' && event.saw === 'pending') ? 'missing' : state
    case 'cleared':
      return goingBack ? 'cleared-back' : state === 'missing' ? 'cleared' : state
    case 'applied':
      return state === 'cleared' || state === 'missing' ? 'applied' : state
    case 'result-recorded':
      return state === 'holds' ? 'done' : state === 'held' ? 'was-done' : state
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

/**
 * A fence beyond the required level does not stop the run when the site refuses it or stays silent. What keeps this process from its journal
 * or its lock does, whatever the step; and what was stopped by the failure of another step has not been tried to its end.
 */
function mayGiveUp(course: Course, run: RunState, step: StepId): boolean {
  if (run.direction === 'back' || run.failed || run.lost) return false
  const planned = course.steps.find(({ id }) => id === step)
  return planned?.bestEffort !== undefined && TRYING.has(run.steps[step] ?? 'todo')
}
const TRYING: ReadonlySet<StepState> = new Set(['intended', 'unsure', 'cleared', 'applied'])

/**
 * Before the point of no return is known to be behind us. Where that is uncertain, going back begins by making it certain. Whoever failed to take
 * the lock can take nothing back, and leaves the direction to the next process.
 */
export function mayTurnBack(course: Course, run: RunState): boolean {
  if (course.lock === null || course.pointOfNoReturn === null || run.steps[course.lock] === 'failed') return false
  const state = run.steps[course.pointOfNoReturn]
  return !isDone(state) && state !== 'holds' && state !== 'held'
}

/** Between the taken lock and its release every effect asks for the lock once more. */
export const needsLock = (step: PlannedStep): boolean => !WITHOUT_LOCK.has(step.phase)
const WITHOUT_LOCK: ReadonlySet<Phase> = new Set(['PREFLIGHT', 'LOCK', 'CLOSED'])

const isDone = (state: StepState | OnRecord | undefined): boolean => state === 'done' || state === 'was-done'
/** Nothing more is tried, and what comes after it may begin. */
const isOver = (state: StepState | OnRecord | undefined): boolean => isDone(state) || state === 'given-up'

/** Whose effect may have happened, or may still arrive. What was there before this run came is not this run's to take back. */
const mayHaveHappened = (state: StepState): boolean =>
  ['unsure', 'intended', 'missing', 'cleared', 'applied', 'holds', 'done', 'failed', 'lacking', 'given-up'].includes(state)
