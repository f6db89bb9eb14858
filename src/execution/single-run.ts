import type { PlannedStep } from '../domain/plan.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { type Journal, newJournal } from '../witness/journal.ts'
import { assertStillOurs, releaseLock, takeLock } from '../witness/lock.ts'
import { witnessTime } from '../witness/time.ts'
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
  readonly store: ConditionalStore
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
  readonly progress: Progress
  readonly signal: AbortSignal
  /** When the lock is renewed; by the time of the machine, when absent. */
  readonly every?: Every
}

export interface JournalOfSingleRun {
  /** Where it lies in the witness: ends with `/`. */
  readonly folder: string
  /** SHA-256 of what the run is about to do; 64 hex digits. */
  readonly digest: string
  /** Warns people that the witness refuses this journal. */
  readonly refused: string
}

/**
 * Carries out the steps under the lock, with a journal, and releases the lock at the end. Throws `lock-held` before
 * anything is written; what fails later is in the outcome.
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
  try {
    return await carryOut(asked)
  } finally {
    await releaseLock(store, run)
  }
}

async function carryOut(asked: SingleRun): Promise<StepsOutcome> {
  const lost = new AbortController()
  const { run, store, clock, steps, context, drivers, epoch, stopsOthers } = asked
  const at = (): string => clock.now().toISOString()
  const journal = toleratesRefusal(newJournal(store, asked.journal.folder), context.log, asked.journal.refused)
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
  }
}

type OwnJournal = Pick<Journal, 'append' | 'refuseContinuedElsewhere'>

/**
 * A journal that nothing depends on: rights of an earlier version of the tool do not cover it. A witness that refuses
 * it is warned of once, and the run goes on without it.
 */
function toleratesRefusal(journal: OwnJournal, log: Log, warning: string): OwnJournal {
  let refused = false
  return {
    async append(entry) {
      if (refused) return
      try {
        await journal.append(entry)
      } catch (error) {
        const reason = asStandbyError(error)
        if (reason.code !== 'witness-denied') throw error
        if (!refused) log.warning(`${warning} (${reason.message})`)
        refused = true
      }
    },
    refuseContinuedElsewhere: () => (refused ? Promise.resolve() : journal.refuseContinuedElsewhere()),
  }
}
