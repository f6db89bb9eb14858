import { asStandbyError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Behaviour, Clock, Progress, StepRun } from '../planning/driver.ts'
import { isPassing } from './passing.ts'
import { answerOf, type Deadline, failed, type Settling, settle, settleDoubt } from './settle.ts'

export interface Performing {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly deadline: Deadline
  readonly waiting: (what: string) => void
}

/** What can be done with one step; the order is the caller's. Everything ends by the step's deadline, and throws the true reason. */
export interface StepPerformer {
  /** Whether the post-condition holds. When an earlier process may have tried the effect, it is asked until it is certain. */
  look(mayHaveHappened: boolean): Promise<Progress>
  /** The effect. One whose answer was lost may have happened: it is tried again, since every effect is idempotent. */
  apply(): Promise<void>
  /** Waits until the post-condition holds; returns its proof. */
  wait(): Promise<JsonObject>
  /** Takes the effect back, and waits until what was before is true again. */
  takeBack(): Promise<void>
  /** Ends the watch. */
  close(): void
}

export function stepPerformer(behaviour: Behaviour, run: StepRun, around: Performing): StepPerformer {
  const what = { what: run.step.id, where: run.step.site ?? run.step.component }
  const settling: Settling = { ...what, ...around }
  let watching: Watching | null = null
  return {
    async look(mayHaveHappened) {
      if (mayHaveHappened) return settleDoubt(() => behaviour.done(run), settling)
      const first = await answerOf(() => behaviour.done(run), run.signal)
      if (first.is === 'failed') throw failed(what, first)
      return first
    },
    async apply() {
      // The watch is open before the effect, so that no change is missed.
      watching ??= watchFor(behaviour, run)
      if (behaviour.apply !== undefined) await effect(() => behaviour.apply?.(run), run, around)
    },
    async wait() {
      watching ??= watchFor(behaviour, run)
      const after: StepRun = { ...run, applied: behaviour.apply !== undefined }
      return settle(() => behaviour.done(after), watching === null ? settling : { ...settling, changed: watching.changed })
    },
    async takeBack() {
      if (behaviour.undo === undefined) return
      await effect(() => behaviour.undo?.(run), run, around)
      if (behaviour.undone !== undefined) await settle(async () => (await behaviour.undone?.(run)) ?? { is: 'done', proof: {} }, settling)
    },
    close: () => watching?.stop(),
  }
}

/** An effect that was refused is an error. */
async function effect(apply: () => Promise<void> | undefined, run: StepRun, around: Performing): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await apply()
      return
    } catch (error) {
      run.signal.throwIfAborted()
      const reason = asStandbyError(error)
      if (!isPassing(reason.code) || tries === 3) throw reason
      around.waiting(`another try: ${reason.message}`)
      await around.clock.sleep(500 * tries, run.signal)
    }
  }
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
      run.context.log.debug(`${run.step.id}: the watch ended (${asStandbyError(error).message}); asking now and then instead`)
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
