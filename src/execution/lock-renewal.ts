import { asStandbyError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { Journal } from '../witness/journal.ts'
import { LOCK_RENEWAL, lockLost, renewLock } from '../witness/lock.ts'
import { witnessTime } from '../witness/time.ts'

/** Repeats some work until it is stopped. */
export type Every = (ms: Milliseconds, work: () => void) => { stop(): void }

export const everyInterval: Every = (ms, work) => {
  const timer = setInterval(work, ms)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

export interface Keeping {
  readonly store: ConditionalStore
  readonly holder: string
  readonly journal: Pick<Journal, 'refuseContinuedElsewhere'>
  readonly clock: Clock
  readonly log: Log
  /** Whether this process has taken the lock. */
  readonly taken: () => boolean
  /** Aborted when the lock is lost, or another process continues the run: it waits for just this lock. */
  readonly lost: AbortController
}

/**
 * Renews the lock after it was taken, while the run lives and no other process continues it. The journal is asked
 * first: a process that continues the run waits for just this lock, so a journal that does not answer, or an entry that
 * is still being written, lets the lock expire. That is safe, because each effect asserts the lock. After `stop` a
 * renewal that is under way writes nothing more, so that the caller is the last to change the lock.
 */
export function renewLockWhile(
  { store, holder, journal, clock, log, taken, lost }: Keeping,
  every: Every = everyInterval,
): { stop(): void } {
  let [underWay, stopped] = [false, false]
  const renew = async (): Promise<void> => {
    try {
      await journal.refuseContinuedElsewhere()
      const renewal = await renewLock(store, holder, await witnessTime(store, clock), () => !stopped)
      // A released lock was released by this process, at its end.
      if (renewal.is === 'taken') lost.abort(lockLost(holder, renewal))
    } catch (error) {
      const reason = asStandbyError(error)
      if (reason.code === 'run-continued-elsewhere') lost.abort(reason)
      else log.warning(`the lock could not be renewed: ${reason.message}`)
    }
  }
  const timer = every(LOCK_RENEWAL, () => {
    // On a slow witness one renewal at a time.
    if (underWay || !taken() || lost.signal.aborted) return
    underWay = true
    void renew().finally(() => {
      underWay = false
    })
  })
  return {
    stop() {
      stopped = true
      timer.stop()
    },
  }
}
