import { readySteps, sequenceOf } from '../planning/order-steps.ts'
import { PHASES, type Phase, type PlannedStep, type StepId } from '../planning/plan.ts'
import { claimsBefore, type GatedCourse, holdsFor, isByTime, isClaim, isFence, isGated, reachedBy, restingOn } from './gates.ts'

/**
 * What a run does next, and what it knows afterwards. Pure: production, the tests and the model checker ask this very code,
 * and differ only in what carries out its commands.
 */
export interface Course extends GatedCourse {
  /** The step that takes the lock; null for work that needs none, such as a backup. */
  readonly lock: StepId | null
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
  /** A fence that is on record, and was seen open: somebody opened it, or it never was shut. Not on record yet. */
  | 'reopened'
  /** A fence that the run goes on without could not be shut, or not be seen; not on record yet. */
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

/**
 * What this very process has seen of a claim that is on record. `now`: it holds, a moment ago. `once`: it held, and a moment has passed since.
 * `excused`: its site went silent beyond the point of no return, and a failover from a silent site would not demand it.
 */
export type Sight = 'now' | 'once' | 'excused'

export interface RunState {
  readonly direction: 'forward' | 'back'
  /** Something went wrong: nothing new begins. */
  readonly failed: boolean
  /** Somebody else holds the lock, or a later epoch has begun: this process touches nothing any more. */
  readonly lost: boolean
  readonly ended: boolean
  readonly steps: Readonly<Record<StepId, StepState>>
  /** Absent: this process has seen nothing of it, whatever is on record. */
  readonly seen: Readonly<Record<StepId, Sight>>
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
        /** Look again whether a claim that is on record holds; read-only. */
        | 'revalidate'
        | 'record-reopened'
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
  /** A claim was looked at again; `unknown`: its site stayed silent. */
  | { readonly is: 'revalidated'; readonly step: StepId; readonly saw: 'done' | 'pending' | 'unknown' }
  | { readonly is: 'reopened-recorded'; readonly step: StepId }
  /** What was seen a moment ago is old by now. */
  | { readonly is: 'faded' }
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
  const gatesAhead = course.steps.some(
    (step) => isGated(course, step, ({ id }) => isOver(onRecord.get(id))) && !isOver(onRecord.get(step.id)),
  )
  const complete = course.steps.every(({ id }) => isOver(onRecord.get(id)))
  const steps = Object.fromEntries(
    course.steps.map(({ id }): [StepId, StepState] => {
      const recorded = onRecord.get(id)
      if (recorded === undefined) return [id, 'todo']
      // A lock that an earlier process held is observed anew, unless nothing is left to do: it may have expired, and gone to somebody else.
      if (id === course.lock && !complete) return [id, 'unsure']
      // What the run can not go on without was not given up by any run of this code: it counts as a claim, and is looked at.
      const claimed = recorded === 'given-up' && gatesAhead && !isDispensable(course, id, course.required)
      return [id, claimed ? 'done' : states[recorded]]
    }),
  )
  const committed = course.pointOfNoReturn !== null && isDone(steps[course.pointOfNoReturn])
  return { direction: turnedBack && !committed ? 'back' : 'forward', failed: false, lost: false, ended: false, steps, seen: {} }
}

/** All that may be carried out now, in any order or side by side; what concerns the whole run only when nothing else is under way. */
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
    return commandFor(step, state, run.failed)
  })
  if (run.failed) {
    if (under.length > 0) return under
    return mayTurnBack(course, run) ? [{ do: 'turn-back' }] : [{ do: 'end', verdict: 'stopped' }]
  }
  // Behind the point of no return, what was built on a step that was taken back may not hold: a person has to look.
  if (course.steps.some(({ id }) => run.steps[id] === 'undone')) return [{ do: 'end', verdict: 'stopped' }]
  if (course.steps.every(({ id }) => isOver(run.steps[id]))) return [{ do: 'end', verdict: 'moved' }]
  const begun = new Set(course.steps.filter(({ id }) => run.steps[id] !== 'todo').map(({ id }) => id))
  // A run that is continued holds the lock again before it does anything else.
  if (course.lock !== null && begun.has(course.lock) && !done.has(course.lock))
    return under.filter((command) => 'step' in command && command.step === course.lock)
  const next = readySteps(course.steps, done, begun)
  const commands = [...under, ...next.map(({ id }): Command => ({ do: 'record-intent', step: id })), ...looksAgain(course, run, next)]
  return commands.length > 0 ? commands : [{ do: 'end', verdict: 'stopped' }]
}

/**
 * What is done, for what comes after it. A claim of an earlier process counts once this process has seen it, as long as something is to be
 * promoted on it: otherwise a last copy would be made of a site that somebody has opened since.
 */
function donesOf(course: Course, run: RunState): Set<StepId> {
  const ahead = course.steps.some((step) => isGatedNow(course, run, step) && !isOver(run.steps[step.id]))
  const counts = (step: PlannedStep): boolean =>
    isOver(run.steps[step.id]) && (!ahead || !isClaim(course, step) || !isDone(run.steps[step.id]) || run.seen[step.id] !== undefined)
  return new Set(course.steps.filter(counts).map(({ id }) => id))
}
const inTurnOf = (course: Course, run: RunState): Set<StepId> =>
  new Set(readySteps(course.steps, donesOf(course, run), new Set()).map(({ id }) => id))

/**
 * What this process has seen nothing of yet; and what the gated steps that are about to be carried out rest on, as far as it was not seen just
 * now: side by side, and beside the intents of those steps.
 */
function looksAgain(course: Course, run: RunState, next: readonly PlannedStep[]): Command[] {
  const isNext = (step: PlannedStep): boolean =>
    next.includes(step) || ['intended', 'unsure', 'missing'].includes(run.steps[step.id] ?? 'todo')
  const gated = course.steps.filter((step) => isNext(step) && isGatedNow(course, run, step))
  const unseen = course.steps.filter(({ id }) => isOver(run.steps[id]) && !donesOf(course, run).has(id))
  const claims = new Set([...unseen, ...gated.flatMap((step) => claimsBefore(course, step))])
  return [...claims]
    .filter(({ id }) => isDone(run.steps[id]) && run.seen[id] !== 'now')
    .map(({ id }): Command => ({ do: 'revalidate', step: id }))
}

const isGatedNow = (course: Course, run: RunState, step: PlannedStep): boolean => isGated(course, step, ({ id }) => isOver(run.steps[id]))

/**
 * Whether nothing speaks against the effect of a step: no gate, or one whose fences this process sees shut, all of them, up to the required
 * level, with all done that comes before it.
 */
export function mayPass(course: Course, run: RunState, step: PlannedStep): boolean {
  if (!isGatedNow(course, run, step)) return true
  if (!inTurnOf(course, run).has(step.id)) return false
  const claims = claimsBefore(course, step)
  const counts = ({ id }: PlannedStep): boolean => (isDone(run.steps[id]) && run.seen[id] === 'now') || run.seen[id] === 'excused'
  return claims.every((claim) => counts(claim) || run.steps[claim.id] === 'given-up') && holdsFor(course, step, claims.filter(counts))
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
  if (event.is === 'faded') return faded(course, run)
  if (event.is === 'revalidated') return revalidated(course, run, event.step, event.saw)
  if (event.is === 'reopened-recorded') return reopened(course, run, event.step)
  const before = run.steps[event.step] ?? 'todo'
  if (event.is === 'cleared' && run.direction === 'forward' && !isOpenFor(course, run, event.step)) return run
  if (event.is === 'threw' && mayGiveUp(course, run, event.step)) return { ...run, steps: { ...run.steps, [event.step]: 'lacking' } }
  const after = nextState(before, event, run.direction === 'back' && event.step !== course.lock)
  const steps = after === before ? run.steps : { ...run.steps, [event.step]: after }
  if (event.is === 'committed') return { ...run, direction: 'forward', failed: true, steps }
  const saw = event.is === 'result-recorded' && course.steps.some((step) => step.id === event.step && isClaim(course, step))
  const seen: RunState['seen'] = saw ? { ...run.seen, [event.step]: 'now' } : run.seen
  return { ...run, failed: run.failed || event.is === 'threw', steps, seen }
}

const isOpenFor = (course: Course, run: RunState, id: StepId): boolean => {
  const step = course.steps.find((one) => one.id === id)
  return step === undefined || mayPass(course, run, step)
}

/** Nobody opens a fence by time again. A gated step that has only been cleared asks for its fences, and for the lock, once more. */
function faded(course: Course, run: RunState): RunState {
  const seen = Object.fromEntries(
    Object.entries(run.seen).map(([id, sight]): [StepId, Sight] => {
      const stays = sight !== 'now' || course.steps.some((step) => step.id === id && isByTime(step))
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
 * A site that goes silent after this process has seen its fence hold is as it was seen: nobody reaches it to open it. One that this process has
 * never seen shut is known from the journal alone, and that opens no gate.
 */
function revalidated(course: Course, run: RunState, id: StepId, saw: 'done' | 'pending' | 'unknown'): RunState {
  const step = course.steps.find((one) => one.id === id)
  if (step === undefined || !isDone(run.steps[id])) return run
  if (saw === 'done' || (saw === 'unknown' && run.seen[id] !== undefined)) return { ...run, seen: { ...run.seen, [id]: 'now' } }
  const { [id]: _, ...seen } = run.seen
  const become = (state: StepState, more: Partial<RunState> = {}): RunState => ({
    ...run,
    seen,
    ...more,
    steps: { ...run.steps, [id]: state },
  })
  if (saw === 'pending' && isFence(step)) return become('reopened')
  if (saw === 'unknown' && mayGiveUp(course, run, id)) return become('lacking')
  if (saw === 'unknown' && mayExcuse(course, run, step)) return become('lacking', { seen: { ...seen, [id]: 'excused' } })
  return become('failed', { failed: true })
}

/** It is shut again, and whatever came after it is looked at again in its turn: the last write is another one by now. */
function reopened(course: Course, run: RunState, id: StepId): RunState {
  const fence = course.steps.find((one) => one.id === id)
  if (fence === undefined || run.steps[id] !== 'reopened') return run
  const again = restingOnFence(course, run, id).map((step): [StepId, StepState] => [step, 'unsure'])
  return { ...run, steps: { ...run.steps, ...Object.fromEntries(again), [id]: 'missing' } }
}

/** The steps that are to be looked at again with a fence that was open. */
export function restingOnFence(course: Course, run: RunState, id: StepId): StepId[] {
  const fence = course.steps.find((one) => one.id === id)
  return fence === undefined ? [] : restingOn(course, fence, (step) => isDone(run.steps[step.id])).map((step) => step.id)
}

type OfOneStep = Exclude<Extract<RunEvent, { step: StepId }>, { is: 'revalidated' | 'reopened-recorded' }>

function nextState(state: StepState, event: OfOneStep, goingBack: boolean): StepState {
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
  return planned?.bestEffort !== undefined && TRYING.has(run.steps[step] ?? 'todo') && isDispensable(course, step, course.required, run)
}
const TRYING: ReadonlySet<StepState> = new Set(['intended', 'unsure', 'cleared', 'applied', 'done', 'was-done'])

/** Whether the other fences of the course, without those that were given up, reach a level. */
function isDispensable(course: Course, id: StepId, level: Course['required'], run?: RunState): boolean {
  const others = course.steps.filter((step) => {
    const state = run?.steps[step.id]
    return isFence(step) && step.id !== id && state !== 'given-up' && state !== 'lacking'
  })
  return reachedBy(others, level)
}

/** Beyond the point of no return nobody goes back. What is demanded of a silent site then is what a failover from it would demand. */
const mayExcuse = (course: Course, run: RunState, step: PlannedStep): boolean =>
  course.pointOfNoReturn !== null &&
  isDone(run.steps[course.pointOfNoReturn]) &&
  isFence(step) &&
  isDispensable(course, step.id, course.ofSilentSite, run)

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
  ['unsure', 'intended', 'missing', 'cleared', 'applied', 'holds', 'done', 'failed', 'reopened', 'lacking', 'given-up'].includes(state)
