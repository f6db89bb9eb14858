import type { Progress } from '../domain/progress.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { pauseFor, type Trying, tooLate, tryUntil } from './try-until.ts'

/** How often a question is asked at least; a change that is watched for ends the pause early. */
const PAUSE: Milliseconds = 500

export type Waiting = Omit<Trying, 'waitedFor'>

/**
 * Asks until it is done, and returns the proof. Throws the true reason when waiting cannot help, and `step-timeout`
 * with what it waited for when time is over.
 */
export async function waitUntilDone(ask: () => Promise<Progress>, around: Waiting): Promise<JsonObject> {
  for (;;) {
    const answer = await waitUntil(ask, around, (progress) => progress.is === 'done')
    if (answer.is === 'done') return answer.proof
  }
}

/** Asks until it is certain whether it is done. */
export async function waitUntilCertain<P extends Progress>(ask: () => Promise<P>, around: Waiting): Promise<P> {
  return waitUntil(ask, around, (progress) => progress.is !== 'unknown')
}

/** Asks until an answer is enough. */
export async function waitUntil<P extends Progress>(
  ask: () => Promise<P>,
  around: Waiting,
  enough: (progress: P) => boolean,
): Promise<P> {
  let waitedFor = ''
  const waiting = (what: string): void => {
    waitedFor = what
    around.waiting(what)
  }
  for (;;) {
    const progress = await tryUntil(ask, { ...around, waiting, waitedFor })
    if (progress.is === 'failed') throw failed(around, progress)
    if (enough(progress)) return progress
    const now = reasonToWait(progress)
    const over = around.signal.aborted || around.deadline.signal.aborted
    // A question that the deadline aborted has no other reason to wait.
    if (now !== waitedFor && !over) around.waiting(now)
    if (!over || waitedFor === '') waitedFor = now
    await pauseFor(PAUSE, around)
    around.signal.throwIfAborted()
    if (around.deadline.signal.aborted) throw tooLate(around, waitedFor)
  }
}

/** Why a question is asked again. */
function reasonToWait(progress: Progress): string {
  if (progress.is === 'pending') return progress.waitingFor
  return progress.is === 'unknown' ? progress.why : ''
}

/** One answer; transient trouble is "unknown", so that it is asked again. */
export async function answerOf<P extends Progress>(ask: () => Promise<P>, signal: AbortSignal): Promise<P | Unknown> {
  try {
    return await ask()
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.retry === 'never' && !signal.aborted) throw reason
    return { is: 'unknown', why: reason.message }
  }
}

type Unknown = Extract<Progress, { readonly is: 'unknown' }>

export function failed(
  around: Pick<Waiting, 'what' | 'where'>,
  progress: Extract<Progress, { is: 'failed' }>,
): StandbyError {
  return new StandbyError({
    code: progress.code,
    mustAct: 'site',
    what: `${around.what}: ${progress.why}`,
    where: around.where,
    next: progress.next,
  })
}
