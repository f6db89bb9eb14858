import { withinDeadline } from '../clients/within-deadline.ts'
import type { PlannedStep } from '../domain/plan.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import { asStandbyError, timeoutError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { newJournal } from '../witness/journal.ts'
import { assertStillOurs, releaseLock, takeLock } from '../witness/lock.ts'
import { patientStore } from '../witness/patient-store.ts'
import { witnessTime } from '../witness/time.ts'
import { followingJournal } from './following-journal.ts'
import { type Every, renewLockWhile } from './lock-renewal.ts'
import type { Progress } from './progress.ts'
import { recorderTo } from './recorder.ts'
import type { Course } from './run-state.ts'
import { runSteps, type StepsOutcome } from './run-steps.ts'
import { beginRun } from './transition.ts'
import { waysTo } from './ways-to.ts'

/**
 * A run of one process that only goes forward: a deploy, a backup. No other process continues it: a new run compares
 * again, and does what is left.
 */
export interface SingleRun {
  /** Its name, and the holder of its lock. */
  readonly run: string
  readonly steps: readonly PlannedStep[]
  readonly behaviourOf: (step: PlannedStep) => EngineBehaviour
  /** Whether the first failure cancels the steps that run beside it. No new step begins after it in any case. */
  readonly stopsOthers: boolean
  /** What the lock says about this run; null: it needs no lock. */
  readonly purpose: string | null
  /** The epoch that this run belongs to: in a later one it changes nothing more. */
  readonly epoch: number
  readonly journal: JournalOfSingleRun
  /** For what must not begin without the witness, such as an effect under the lock: waits for one that is silent. */
  readonly store: ConditionalStore
  /** The same witness without that patience, for what the run does not depend on. */
  readonly witness: ConditionalStore
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
  readonly progress: Progress
  readonly signal: AbortSignal
  /** When the lock is renewed; by the time of the machine, when absent. */
  readonly every?: Every
  /** How long an entry of the journal is waited for; {@link ENTRY_PATIENCE} when absent. */
  readonly entryPatience?: Milliseconds
}

export interface JournalOfSingleRun {
  /** Where it lies in the witness: ends with `/`. */
  readonly folder: string
  /** SHA-256 of what the run is about to do; 64 hex digits. */
  readonly digest: string
  /** Warns people that this journal cannot be written. */
  readonly refused: string
}

/**
 * Carries out the steps under the lock, with a journal, and releases the lock at the end. Throws `lock-held`, or what
 * kept it from asking for the lock, before anything is written. From then on it returns, whatever the witness does, and
 * what fails is in the outcome: an effect under the lock does not begin without the witness, and the report of what was
 * done reaches the person without it.
 */
export async function runSingle(asked: SingleRun): Promise<StepsOutcome> {
  if (asked.purpose === null) return carryOut(asked)
  const { store, clock, run } = asked
  const now = await witnessTime(store, clock)
  await takeLock(store, {
    stack: asked.context.stack.name,
    holder: run,
    purpose: asked.purpose,
    epoch: asked.epoch,
    now,
  })
  // A defect throws here: an effect may be under way then, so the lock is left to end by itself.
  const outcome = await carryOut(asked)
  await givenBack(asked)
  return outcome
}

/** A lock that is not renewed ends by itself: a witness that is silent is not waited for. */
async function givenBack({ witness, run, clock, context: { log }, signal }: SingleRun): Promise<void> {
  const patience = closingTime(signal)
  // The signal of the run may be aborted already.
  const asking = new AbortController()
  const store = patientStore(witness, { clock, log: QUIET, signal: asking.signal, patience })
  try {
    const late = (): Error => timeoutError('witness-silent', `no answer within ${readableDuration(patience)}`)
    await withinDeadline(patience, [], () => releaseLock(store, run), late)
  } catch (error) {
    const why = asStandbyError(error).message
    log.warning(`the lock could not be given back, and ends by itself within ${readableDuration(LOCK_ENDS)}: ${why}`)
  } finally {
    asking.abort()
  }
}
/** Over a long way a lock lives so long; over a short one, ten seconds. */
const LOCK_ENDS: Milliseconds = seconds(45)

/** For what is left to write when all is done: a cancelled process is given little time to leave. */
const closingTime = (signal: AbortSignal): Milliseconds => seconds(signal.aborted ? 2 : 10)

/** The run itself warns of a silent witness. */
const QUIET: Log = { info: () => undefined, warning: () => undefined, debug: () => undefined }

async function carryOut(asked: SingleRun): Promise<StepsOutcome> {
  const lost = new AbortController()
  const { run, store, clock, steps, context, drivers, epoch, stopsOthers } = asked
  const at = (): string => clock.now().toISOString()
  const writing = new AbortController()
  const ofJournal = patientStore(asked.witness, { clock, log: context.log, signal: writing.signal })
  const journal = followingJournal(newJournal(ofJournal, asked.journal.folder), {
    log: context.log,
    warning: asked.journal.refused,
    continuedElsewhere: (reason) => lost.abort(reason),
    signal: asked.signal,
    ...(asked.entryPatience === undefined ? {} : { patience: asked.entryPatience }),
  })
  await journal.append({ kind: 'begun', at: at(), planDigest: asked.journal.digest, epoch, attempt: 1 })
  const course: Course = {
    steps,
    stopsOthers,
    lock: null,
    pointOfNoReturn: null,
    required: null,
    ofSilentSite: null,
    lost: null,
  }
  const holdsLock = asked.purpose !== null
  const renewing = renewLockWhile(
    { store, holder: run, journal, clock, log: context.log, taken: () => holdsLock, lost },
    asked.every,
  )
  const recorder = recorderTo(journal)
  try {
    const outcome = await runSteps({
      course,
      from: beginRun(course, { onRecord: new Map(), turnedBack: false, continued: false }),
      intent: null,
      context,
      clock,
      behaviourOf: asked.behaviourOf,
      proofs: new Map(),
      recorder: {
        ...recorder,
        async failed(step, when, error) {
          context.log.warning(`${step.id}: ${error.message}`)
          await recorder.failed(step, when, error)
        },
      },
      progress: asked.progress,
      waysTo: (step) => waysTo(step, { context, intent: null, drivers }),
      assertOurs: async () => {
        if (holdsLock) await assertStillOurs(store, run, epoch, await witnessTime(store, clock))
      },
      signal: AbortSignal.any([asked.signal, lost.signal]),
    })
    if (outcome.verdict !== null) {
      const verdict = outcome.verdict === 'moved' ? 'done' : outcome.verdict
      await journal.append({ kind: 'ended', at: at(), verdict, code: outcome.failure?.code ?? null })
    }
    return outcome
  } finally {
    renewing.stop()
    await journal.settle(closingTime(asked.signal))
    writing.abort(new Error('the run has ended'))
  }
}
