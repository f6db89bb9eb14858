import type { Progress, RestsOn } from '../domain/progress.ts'
import type { Behaviour, StepRun } from '../driver/behaviour.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import { tooLate, tryUntil } from '../waiting/try-until.ts'
import { answerOf, failed, type Waiting, waitUntil, waitUntilCertain, waitUntilDone } from '../waiting/wait-until.ts'

export interface Performing extends Omit<Waiting, 'what' | 'where' | 'changed'> {
  /**
   * Throws unless this process may still act. Asked in front of each effect that the caller has not asked for itself.
   */
  readonly assertOurs: () => Promise<void>
}

/**
 * What can be done with one step; the order is the caller's. Everything ends by the step's deadline, and throws the
 * true reason.
 */
export interface StepPerformer {
  /**
   * Whether the post-condition holds. When an earlier process may have tried the effect, it is asked until it is
   * certain.
   */
  look(mayHaveHappened: boolean): Promise<Progress>
  /**
   * Whether a post-condition that is on record holds. One that is under way is waited for: pending is the answer where
   * an effect is due, by the word of the driver, or where nobody can tell.
   */
  lookAgain(): Promise<Progress>
  /**
   * Whether a fence that nothing is on record of was shut all the same. `done`: it is shut, or half shut, and has to be
   * taken back. `pending`: it is open, and what may still shut it comes too late. `unknown`: nobody answers within the
   * time of the step. Asks for the lock first.
   */
  lookOffRecord(): Promise<Progress>
  /**
   * The effect, on what `look` saw. One whose answer was lost may have happened: it is tried again, since every effect
   * is idempotent. One that came too late for what was seen is tried again on what is there by now, if the lock is
   * still ours.
   */
  apply(): Promise<void>
  /** Waits until the post-condition holds; returns its proof. */
  wait(): Promise<JsonObject>
  /**
   * Takes the effect back, and waits until what was before is true again; returns the proof of that, empty where nobody
   * can look.
   */
  takeBack(): Promise<JsonObject>
  /**
   * Throws `step-timeout` once its time is over: for what happens between a look and an effect, and may begin again and
   * again.
   */
  refuseLate(waitedFor: string): void
  /** Ends the watch. */
  close(): void
}

export function stepPerformer(behaviour: Behaviour, run: StepRun, around: Performing): StepPerformer {
  const what = { what: run.step.id, where: run.step.site ?? run.step.component }
  const settling: Waiting = { ...what, ...around }
  let watching: Watching | null = null
  let seen: Progress = { is: 'unknown', why: 'nobody has looked' }
  let acted = false
  let fighting = ''

  /**
   * The version first, then the lock, then the effect: whoever took the lock in between has touched the object after it
   * was seen.
   */
  const applyAsSeen = async (tries: number): Promise<void> => {
    if (tries > 1 || seen.is === 'unknown') {
      seen = await behaviour.done(run)
      if (seen.is === 'failed') throw failed(what, seen)
      if (seen.is === 'unknown')
        throw siteError('site-unreachable', `${run.step.id}: ${seen.why}`, { where: what.where, retry: 'transient' })
      await around.assertOurs()
    }
    const restsOn = dueOn(seen)
    if (restsOn === null) return
    await behaviour.apply?.({ ...run, restsOn })
    acted = true
  }
  /**
   * On something without versions. One whose answer was lost may have happened: it is looked at before it is tried
   * again.
   */
  const applyUnlessDone = async (tries: number): Promise<void> => {
    if (tries > 1) {
      await around.assertOurs()
      if ((await behaviour.done(run)).is === 'done') return
    }
    await behaviour.apply?.(run)
  }
  /**
   * An effect may fall due only now, where its object was amid a change. One that was done is not done twice, unless
   * somebody is named who took it back.
   */
  const waitAsSeen = async (after: StepRun): Promise<Progress> => {
    const now = await behaviour.done(after)
    const by = now.is === 'pending' ? now.takenBackBy : undefined
    const restsOn = behaviour.touch === undefined || (acted && by === undefined) ? null : dueOn(now)
    if (restsOn === null) return now
    if (acted && by !== undefined && by !== fighting) {
      fighting = by
      run.context.log.warning(
        `${run.step.id}: ${by} takes it back, time and again; it is done anew until one of the two gives up`,
      )
    }
    await around.assertOurs()
    await behaviour.apply?.({ ...run, restsOn })
    acted = true
    return now
  }
  const isUndone = async (): Promise<Progress> => (await behaviour.undone?.(run)) ?? { is: 'done', proof: {} }
  const takeBackAsSeen = async (): Promise<Progress> => {
    const now = await isUndone()
    const restsOn = dueOn(now)
    if (restsOn !== null) {
      await around.assertOurs()
      await behaviour.undo?.({ ...run, restsOn })
    }
    return now
  }
  return {
    async look(mayHaveHappened) {
      seen = mayHaveHappened
        ? await waitUntilCertain(() => behaviour.done(run), settling)
        : await answerOf(() => behaviour.done(run), run.signal)
      if (seen.is === 'failed') throw failed(what, seen)
      return seen
    },
    async lookAgain() {
      const isDue = (now: Progress): boolean =>
        now.is === 'pending' && (behaviour.touch === undefined || dueOn(now) !== null)
      seen = await waitUntil(
        () => behaviour.done(run),
        settling,
        (now) => now.is === 'done' || isDue(now),
      )
      return seen
    },
    async lookOffRecord() {
      if (behaviour.undo === undefined) return { is: 'pending', waitingFor: 'nothing: no way leads back from it' }
      await around.assertOurs()
      try {
        const now = await waitUntilCertain(async () => {
          await behaviour.touch?.(run)
          const progress = await behaviour.done(run)
          // What cannot come to its end was begun.
          return progress.is === 'failed' ? { is: 'done', proof: {} } : progress
        }, settling)
        if (now.is !== 'pending') return now
        if (behaviour.touch !== undefined) return dueOn(now) === null ? { is: 'done', proof: {} } : now
        // Without versions nobody can tell whether it was half done. To send the way back does no harm, and whether all
        // is well then is not asked.
        await tryUntil(
          unseen(() => behaviour.undo?.(run), around),
          settling,
        )
        return now
      } catch (error) {
        around.signal.throwIfAborted()
        await around.assertOurs()
        return { is: 'unknown', why: asStandbyError(error).message }
      }
    },
    async apply() {
      // The watch is open before the effect, so that no change is missed.
      watching ??= watchFor(behaviour, run)
      if (behaviour.apply === undefined) return
      await tryUntil(behaviour.touch === undefined ? applyUnlessDone : applyAsSeen, settling)
    },
    async wait() {
      watching ??= watchFor(behaviour, run)
      const after: StepRun = { ...run, applied: behaviour.apply !== undefined }
      const remind = remindingOf(behaviour.reminder, run, around)
      const ask = async (): Promise<Progress> => {
        const now = await waitAsSeen(after)
        if (now.is === 'pending') await remind()
        return now
      }
      return waitUntilDone(ask, watching === null ? settling : { ...settling, changed: watching.changed })
    },
    async takeBack() {
      if (behaviour.undo === undefined) return {}
      if (behaviour.touch === undefined) {
        await tryUntil(
          unseen(() => behaviour.undo?.(run), around),
          settling,
        )
        return waitUntilDone(isUndone, settling)
      }
      // An effect of ours that nobody answered for may still be on its way, although nothing is to be seen of it.
      await tryUntil(async () => behaviour.touch?.(run), settling)
      await tryUntil(async () => void (await takeBackAsSeen()), settling)
      const remind = remindingOf(behaviour.reminderBack, run, around)
      const ask = async (): Promise<Progress> => {
        const now = await takeBackAsSeen()
        if (now.is === 'pending') await remind()
        return now
      }
      return waitUntilDone(ask, settling)
    },
    refuseLate(waitedFor) {
      if (around.deadline.left() <= 0) throw tooLate(settling, waitedFor)
    },
    close: () => watching?.stop(),
  }
}

/** Says the reminder when it is time for one, counted from now. */
function remindingOf(
  reminder: Behaviour['reminder'],
  run: StepRun,
  { clock, assertOurs }: Performing,
): () => Promise<void> {
  let last = clock.now().getTime()
  return async () => {
    if (reminder === undefined || clock.now().getTime() - last < reminder.every) return
    await assertOurs()
    last = clock.now().getTime()
    run.context.log.debug(`${run.step.id}: reminded`)
    await reminder.remind(run)
  }
}

/** What an effect that is due would rest on. */
const dueOn = (progress: Progress): RestsOn | null => (progress.is === 'pending' ? (progress.restsOn ?? null) : null)

/**
 * The way back on something without versions is sent until it is answered, whatever is to be seen: the effect that it
 * takes back may still be on its way, and would arrive after a look that saw nothing of it. All that can be asked
 * before it is repeated is the lock.
 */
const unseen =
  (act: () => Promise<void> | undefined, around: Performing) =>
  async (tries: number): Promise<void> => {
    if (tries > 1) await around.assertOurs()
    await act()
  }

interface Watching {
  /** Resolves at the next change, or at once when one came since the last question. */
  changed(): Promise<void>
  stop(): void
}

function watchFor(behaviour: Behaviour, run: StepRun): Watching | null {
  if (behaviour.changes === undefined) return null
  const stopping = new AbortController()
  const signal = AbortSignal.any([run.signal, stopping.signal])
  const changes = behaviour.changes({ ...run, signal })
  let missed = false
  let ring = (): void => {
    missed = true
  }
  const listen = async (): Promise<void> => {
    for await (const _ of changes) ring()
  }
  listen().catch((error: unknown) => {
    if (!signal.aborted)
      run.context.log.debug(
        `${run.step.id}: the watch ended (${asStandbyError(error).message}); asking now and then instead`,
      )
  })
  return {
    changed: () =>
      new Promise((resolve) => {
        const wake = (): void => {
          missed = false
          ring = () => {
            missed = true
          }
          resolve()
        }
        if (missed) wake()
        else ring = wake
      }),
    stop: () => stopping.abort(),
  }
}
