import type { Progress } from '../domain/progress.ts'
import { type EngineBehaviour, type EngineRun, type SeenByEngine, wayBackOf } from '../driver/engine.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import { tooLate, tryUntil } from '../waiting/try-until.ts'
import { answerOf, failed, type Waiting, waitUntil, waitUntilCertain, waitUntilDone } from '../waiting/wait-until.ts'
import { stepMemory } from './step-memory.ts'

export interface Performing extends Omit<Waiting, 'what' | 'where' | 'changed'> {
  /** Throws unless this process may still act. Asked before each effect that the caller has not asked for itself. */
  readonly assertOurs: () => Promise<void>
}

/**
 * What can be done with one step; the caller decides the order. Everything ends by the step's deadline, and throws the
 * true reason.
 */
export interface StepPerformer {
  /**
   * Whether the post-condition holds. When an earlier process may have tried the effect, it is asked until it is
   * certain.
   */
  look(mayHaveHappened: boolean): Promise<Progress>
  /**
   * Whether a post-condition that is on record holds. One that is under way is waited for: the answer is pending where
   * the driver says that an effect is due, or where no one can tell (a behaviour without versions).
   */
  lookAgain(): Promise<Progress>
  /**
   * Whether a fence that the journal says nothing of was shut all the same. `done`: it is shut, or half shut, and has
   * to be taken back. `pending`: it is open, and what may still shut it comes too late. `unknown`: no answer within the
   * time of the step. Asserts the lock first.
   */
  lookOffRecord(): Promise<Progress>
  /**
   * The effect, with what `look` saw as its precondition. An effect whose answer was lost may have happened: it is
   * tried again, since every effect is idempotent. One whose precondition fails is tried again on what is there by now,
   * if the lock is still ours.
   */
  apply(): Promise<void>
  /** Waits until the post-condition holds; returns its proof. */
  wait(): Promise<JsonObject>
  /**
   * Undoes the effect, and waits until what was before is true again. Returns the proof of that, empty where the step
   * has no way back.
   */
  takeBack(): Promise<JsonObject>
  /**
   * Throws `step-timeout` once its time is over: for what happens between a look and an effect, and may repeat without
   * an end.
   */
  refuseLate(waitedFor: string): void
  /** Ends the watch. */
  close(): void
}

/** A run without its memory: each performer makes one of its own. */
export type PerformedRun = Omit<EngineRun, 'memory'>

export function stepPerformer(behaviour: EngineBehaviour, performed: PerformedRun, around: Performing): StepPerformer {
  const run: EngineRun = { ...performed, memory: stepMemory() }
  const back = wayBackOf(behaviour)
  const what = { what: run.step.id, where: run.site ?? run.component.name }
  const aroundWaiting: Waiting = { ...what, ...around }
  let watching: Watching | null = null
  let seen: Looked = { is: 'unknown', why: 'nothing has looked yet' }
  let acted = false
  let fighting = ''

  const ask = async (of: EngineRun): Promise<Looked> => asLooked(await behaviour.done(of))
  const isDone = (): Promise<Looked> => ask(run)
  const isUndone = async (): Promise<Looked> =>
    back === null ? { is: 'done', proof: {} } : asLooked(await back.undone(run))

  /**
   * The version first, then the lock, then the effect: a process that took the lock in between has invalidated the
   * version after it was seen.
   */
  const applyVersioned = async (versioned: Versioned, tries: number): Promise<void> => {
    if (tries > 1 || seen.is === 'unknown') {
      seen = await isDone()
      if (seen.is === 'failed') throw failed(what, seen)
      if (seen.is === 'unknown')
        throw siteError('site-unreachable', `${run.step.id}: ${seen.why}`, { where: what.where, retry: 'transient' })
      await around.assertOurs()
    }
    const due = dueOn(seen)
    if (due === null) return
    await versioned.apply(run, due)
    acted = true
  }
  /** Without versions: an effect whose answer was lost may have happened, so it is looked at before it is repeated. */
  const applyPlain = async (plain: Plain, tries: number): Promise<void> => {
    if (tries > 1) {
      await around.assertOurs()
      if ((await isDone()).is === 'done') return
    }
    await plain.apply(run)
  }
  /**
   * An effect may become due only now, where its object was amid a change. What was done is not done twice, unless the
   * driver names who reverted it.
   */
  const waitVersioned = async (versioned: Versioned, after: EngineRun): Promise<Looked> => {
    const now = await ask(after)
    const by = now.is === 'pending' ? now.revertedBy : undefined
    const due = acted && by === undefined ? null : dueOn(now)
    if (due === null) return now
    if (acted && by !== undefined && by !== fighting) {
      fighting = by
      run.context.log.warning(
        `${run.step.id}: ${by} takes it back, time and again; it is done anew until one of the two gives up`,
      )
    }
    await around.assertOurs()
    await versioned.apply(run, due)
    acted = true
    return now
  }
  const undoVersioned = async (way: WayBack): Promise<Looked> => {
    const now = await isUndone()
    const due = dueOn(now)
    if (due !== null) {
      await around.assertOurs()
      await way.undo(run, due)
    }
    return now
  }
  /**
   * The way back without versions is sent until it is answered, whatever a look shows: the effect that it undoes may
   * still be on its way, and would arrive after a look that saw nothing of it. Only the lock is asserted before it is
   * repeated. Its precondition is empty: a plain way back asks for none.
   */
  const undoPlain = (way: WayBack): Promise<void> =>
    tryUntil(async (tries: number) => {
      if (tries > 1) await around.assertOurs()
      await way.undo(run, {})
    }, aroundWaiting)
  const nudging = (look: () => Promise<Looked>, nudge: EngineBehaviour['nudge']): (() => Promise<Looked>) => {
    const send = nudgingOf(nudge, run, around)
    return async () => {
      const now = await look()
      if (now.is === 'pending') await send()
      return now
    }
  }
  return {
    async look(mayHaveHappened) {
      seen = mayHaveHappened ? await waitUntilCertain(isDone, aroundWaiting) : await answerOf(isDone, run.signal)
      if (seen.is === 'failed') throw failed(what, seen)
      return seen
    },
    async lookAgain() {
      const isDue = (now: Looked): boolean =>
        now.is === 'pending' && (behaviour.is !== 'versioned' || dueOn(now) !== null)
      seen = await waitUntil(isDone, aroundWaiting, (now) => now.is === 'done' || isDue(now))
      return seen
    },
    async lookOffRecord() {
      if (back === null) return { is: 'pending', waitingFor: 'nothing: no way leads back from it' }
      await around.assertOurs()
      try {
        const now = await waitUntilCertain(async () => {
          if (behaviour.is === 'versioned') await behaviour.invalidate(run)
          const progress = await isDone()
          // What cannot come to its end was begun.
          return progress.is === 'failed' ? { is: 'done', proof: {} } : progress
        }, aroundWaiting)
        if (now.is !== 'pending') return now
        if (behaviour.is === 'versioned') return dueOn(now) === null ? { is: 'done', proof: {} } : now
        // Without versions no look can tell whether it was half done. To send the way back does no harm; whether all is
        // well then is not asked.
        await undoPlain(back)
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
      if (behaviour.is === 'check') return
      await tryUntil(
        behaviour.is === 'versioned'
          ? (tries: number) => applyVersioned(behaviour, tries)
          : (tries: number) => applyPlain(behaviour, tries),
        aroundWaiting,
      )
    },
    async wait() {
      watching ??= watchFor(behaviour, run)
      const after: EngineRun = { ...run, applied: behaviour.is !== 'check' }
      const look = (): Promise<Looked> => (behaviour.is === 'versioned' ? waitVersioned(behaviour, after) : ask(after))
      return waitUntilDone(
        nudging(look, behaviour.nudge),
        watching === null ? aroundWaiting : { ...aroundWaiting, changed: watching.changed },
      )
    },
    async takeBack() {
      if (back === null) return {}
      if (behaviour.is !== 'versioned') {
        await undoPlain(back)
        return waitUntilDone(isUndone, aroundWaiting)
      }
      // An effect of ours that was never answered may still be on its way, although no look shows it.
      await tryUntil(() => behaviour.invalidate(run), aroundWaiting)
      await tryUntil(async () => void (await undoVersioned(back)), aroundWaiting)
      return waitUntilDone(
        nudging(() => undoVersioned(back), back.nudge),
        aroundWaiting,
      )
    },
    refuseLate(waitedFor) {
      if (around.deadline.left() <= 0) throw tooLate(aroundWaiting, waitedFor)
    },
    close: () => watching?.stop(),
  }
}

/** What a look saw, with the precondition of an effect that is due, and who reverted it. */
type Looked =
  | Exclude<Progress, { readonly is: 'pending' }>
  | { readonly is: 'pending'; readonly waitingFor: string; readonly due?: JsonObject; readonly revertedBy?: string }
type Versioned = Extract<EngineBehaviour, { readonly is: 'versioned' }>
type Plain = Extract<EngineBehaviour, { readonly is: 'plain' }>
type WayBack = NonNullable<ReturnType<typeof wayBackOf>>

/** A proof as the journal keeps it: data, whatever its driver calls it. */
const asLooked = (seen: SeenByEngine): Looked => seen as Looked

/** Sends the nudge when it is time for one, counted from now. */
function nudgingOf(
  nudge: EngineBehaviour['nudge'],
  run: EngineRun,
  { clock, assertOurs }: Performing,
): () => Promise<void> {
  let last = clock.now().getTime()
  return async () => {
    if (nudge === undefined || clock.now().getTime() - last < nudge.every) return
    await assertOurs()
    last = clock.now().getTime()
    run.context.log.debug(`${run.step.id}: nudged`)
    await nudge.send(run)
  }
}

/** The precondition of an effect that is due; null where none is. */
const dueOn = (progress: Looked): JsonObject | null => (progress.is === 'pending' ? (progress.due ?? null) : null)

interface Watching {
  /** Resolves at the next change, or at once when one came since the last question. */
  changed(): Promise<void>
  stop(): void
}

function watchFor(behaviour: EngineBehaviour, run: EngineRun): Watching | null {
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
