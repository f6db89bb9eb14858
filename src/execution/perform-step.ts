import { asStandbyError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Behaviour, Clock, StepRun } from '../planning/driver.ts'
import { isPassing } from './passing.ts'
import { answerOf, type Deadline, failed, type Settling, settle } from './settle.ts'

export interface Performed {
  readonly outcome: 'done' | 'was-done'
  readonly proof: JsonObject
}

export interface Performing {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly deadline: Deadline
  /** Lock, epoch and expected state are read again here, in front of an irreversible effect. */
  readonly beforeEffect: () => Promise<void>
  readonly waiting: (what: string) => void
}

/** Observe, act when needed, observe until it is done or the deadline is over. Throws the true reason when it can not be done. */
export async function performStep(behaviour: Behaviour, run: StepRun, around: Performing): Promise<Performed> {
  const what = { what: run.step.id, where: run.step.site ?? run.step.component }
  const first = await answerOf(() => behaviour.done(run), run.signal)
  if (first.is === 'done') return { outcome: 'was-done', proof: first.proof }
  if (first.is === 'failed') throw failed(what, first)
  const watching = watchFor(behaviour, run)
  try {
    if (behaviour.apply !== undefined) {
      await around.beforeEffect()
      await effect(behaviour.apply.bind(behaviour), run, around)
    }
    const settling: Settling = { ...what, clock: around.clock, signal: around.signal, deadline: around.deadline, waiting: around.waiting }
    const after: StepRun = { ...run, applied: behaviour.apply !== undefined }
    const proof = await settle(() => behaviour.done(after), watching === null ? settling : { ...settling, changed: watching.changed })
    return { outcome: 'done', proof }
  } finally {
    watching?.stop()
  }
}

/** An effect whose answer was lost may have happened: it is observed, and only then tried again. One that was refused is an error. */
async function effect(apply: NonNullable<Behaviour['apply']>, run: StepRun, around: Performing): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await apply(run)
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
