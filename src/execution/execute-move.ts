import type { Plan, PlannedStep } from '../domain/plan.ts'
import { componentOf } from '../domain/stack.ts'
import { behaviourOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { activateStep, LOCK_STEP, WITNESS } from '../planning/witness-steps.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import {
  type Asked,
  type Journal,
  nextAttempt,
  openJournal,
  proofsOf,
  stepsOnRecord,
  turnedBack,
  type Verdict,
} from '../witness/journal.ts'
import { planKey } from '../witness/keys.ts'
import { assertStillOurs, endLock, releaseLock } from '../witness/lock.ts'
import { attemptOfHolder, holderOf } from '../witness/lock-holder.ts'
import { patientStore } from '../witness/patient-store.ts'
import { witnessTime } from '../witness/time.ts'
import { courseOf, refuseUnfenced } from './course-of-plan.ts'
import { refuseCutShort, type SaidOfRun, saidOfRun } from './cut-short.ts'
import { type Every, renewLockWhile } from './lock-renewal.ts'
import type { Progress } from './progress.ts'
import { recorderTo } from './recorder.ts'
import type { Course, RunState } from './run-state.ts'
import { runSteps } from './run-steps.ts'
import type { StepReport } from './step-report.ts'
import { invalidateWhatWasLeft } from './take-over.ts'
import { advance, beginRun, mayTurnBack } from './transition.ts'
import { waysTo } from './ways-to.ts'
import { type WitnessRun, witnessBehaviours } from './witness-actions.ts'

export interface MoveRun {
  readonly plan: Plan
  readonly digest: string
  readonly run: string
  /** `begin` a run, `resume` one that another process left, or `abort` it: go back, while that is possible. */
  readonly how: 'begin' | 'resume' | 'abort'
  /** The person who takes it back, and the reason; for the journal. */
  readonly asked?: Asked
  readonly store: ConditionalStore
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
  readonly progress: Progress
  readonly signal: AbortSignal
  /** When the lock is renewed; by the time of the machine, when absent. */
  readonly every?: Every
}

export interface MoveOutcome {
  readonly steps: readonly StepReport[]
  readonly failure: StandbyError | null
  readonly verdict: Verdict
  /** Whether the witness named the new site: from then on there is no way back. */
  readonly committed: boolean
}

/**
 * Performs an approved plan, or continues what an earlier process of the same run left. A failure before the point of
 * no return is undone in reverse; after it the run only goes forward, and stops where it cannot.
 */
export async function executeMove(asked: MoveRun): Promise<MoveOutcome> {
  const { clock, signal, context } = asked
  const move: MoveRun = { ...asked, store: patientStore(asked.store, { clock, signal, log: context.log }) }
  const course = courseOf(move.plan, context.stack, move.drivers)
  if (move.how !== 'abort') refuseUnfenced(course, move.plan)
  const said = await saidOfRun(move.store)
  const journal = await openJournal(move.store, move.run)
  const from = beginRun(course, {
    onRecord: stepsOnRecord(journal.entries),
    turnedBack: turnedBack(journal.entries),
    continued: move.how !== 'begin',
  })
  refuseEnded(move.run, journal)
  refuseOtherPlan(move, journal)
  refuseCutShort(said, move.run, move.plan, journal)
  // Before anything is written: a refused abort must not stop a process that is at work.
  if (move.how === 'abort') refuseTooLate(course, from)
  const attempt = await join(move, journal, said)
  const holder = holderOf(move.run, attempt)
  const at = (): string => move.clock.now().toISOString()
  const proofs = proofsOf(journal.entries)
  const lost = new AbortController()
  let takenNow = false
  const lockTaken = (): void => {
    takenNow = true
  }
  const taken = (): boolean => takenNow || proofs.get(LOCK_STEP)?.holder === holder
  const renewing = renewLockWhile(
    { store: move.store, holder, journal, clock, log: context.log, taken, lost },
    move.every,
  )
  try {
    const outcome = await runSteps({
      course,
      from: move.how === 'abort' ? await turned(move, course, from, journal, at()) : from,
      intent: move.plan.intent,
      context: move.context,
      clock: move.clock,
      behaviourOf: (step) => performing(move, { journal, holder, lockTaken }, step),
      proofs,
      recorder: recorderTo(journal),
      progress: move.progress,
      waysTo: (step) => waysTo(step, { context: move.context, intent: move.plan.intent, drivers: move.drivers }),
      assertOurs: async () =>
        assertStillOurs(move.store, holder, move.plan.epoch + 1, await witnessTime(move.store, clock)),
      signal: AbortSignal.any([move.signal, lost.signal]),
    })
    const verdict = outcome.verdict ?? 'stopped'
    renewing.stop()
    // A stopped run does not release its lock, so that it remains visible as unfinished, but lets it expire, so that no
    // process waits for it.
    if (verdict === 'undone') await releaseLock(move.store, holder)
    // One try: on a witness that is silent it ends by itself.
    if (verdict === 'stopped')
      await endLock(asked.store, holder, await witnessTime(asked.store, clock)).catch(() => undefined)
    if (outcome.verdict !== null)
      await journal.append({ kind: 'ended', at: at(), verdict, code: outcome.failure?.code ?? null })
    return {
      steps: outcome.reports,
      failure: outcome.failure,
      verdict,
      committed: proofs.has(activateStep(move.plan.intent)),
    }
  } finally {
    renewing.stop()
  }
}

function refuseEnded(run: string, { entries }: Journal): void {
  const ended = entries
    .flatMap((entry) => (entry.kind === 'ended' && entry.verdict !== 'stopped' ? [entry.verdict] : []))
    .at(-1)
  if (ended === undefined) return
  throw new StandbyError({
    code: 'run-ended',
    mustAct: 'input',
    what: `run ${run} has ended: ${ended}`,
    next: 'Nothing needs to be continued.',
  })
}

/**
 * With another plan, steps would count as done that were not, or would never be taken back. A plan in the witness is
 * not proven to be the run's.
 */
function refuseOtherPlan({ run, digest }: MoveRun, { entries }: Journal): void {
  const other = entries.flatMap((entry) =>
    entry.kind === 'begun' && entry.planDigest !== digest ? [entry.planDigest] : [],
  )[0]
  if (other === undefined) return
  throw new StandbyError({
    code: 'plan-stale',
    mustAct: 'approval',
    what: `run ${run} was begun with the plan of the digest ${other}, and the one that the witness holds of it has ${digest}`,
    where: `witness ${planKey(run)}`,
    next: 'Nothing was changed now. Find out who changed it, and put its earlier version back (the witness keeps them); then continue.',
  })
}

function refuseTooLate(course: Course, from: RunState): void {
  if (mayTurnBack(course, from)) return
  throw new StandbyError({
    code: 'past-point-of-no-return',
    mustAct: 'input',
    what:
      course.pointOfNoReturn === null
        ? 'this run only goes forward: the active site stays the active one, and what was given up is not brought back'
        : 'the witness names the new site already: this move only goes forward',
    next: 'Resume it: standby failover resume --run <run>. To go back afterwards, plan a move in the other direction.',
  })
}

/**
 * Takes the next place in the run's journal. Of two processes that continue one run at once, the later one wins; the
 * other stops at its next entry.
 */
async function join(move: MoveRun, journal: Journal, { lock }: SaidOfRun): Promise<number> {
  const attempt = nextAttempt(journal.entries, lock === null ? 0 : attemptOfHolder(move.run, lock.holder))
  await journal.append({
    kind: 'begun',
    at: move.clock.now().toISOString(),
    planDigest: move.digest,
    epoch: move.plan.epoch + 1,
    attempt,
  })
  return attempt
}

/** An abort is on record before anything is undone: a process that continues it goes back too. */
async function turned(
  { asked }: MoveRun,
  course: Course,
  from: RunState,
  journal: Journal,
  at: string,
): Promise<RunState> {
  await journal.append({ kind: 'turned-back', at, ...asked })
  return advance(course, from, { is: 'turned-back' })
}

interface Holding extends Pick<WitnessRun, 'holder' | 'lockTaken'> {
  readonly journal: Journal
}
function performing(move: MoveRun, { journal, holder, lockTaken }: Holding, step: PlannedStep): EngineBehaviour {
  const behaviour =
    step.component === WITNESS
      ? witnessBehaviours({
          store: move.store,
          run: move.run,
          holder,
          plan: move.plan,
          clock: move.clock,
          lockTaken,
          invalidateLeft: (run, signal) => invalidateWhatWasLeft(move, journal.entries, run, signal),
        })[step.action]
      : behaviourOf(move.drivers[componentOf(move.context.stack, step.component).driver], step.action)
  if (behaviour === undefined) throw new Error(`no driver performs ${step.action} of ${step.id}`)
  return behaviour
}
