import { type Milliseconds, readableDuration } from '../duration.ts'
import { asStandbyError, StandbyError, timeoutError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Clock, Progress } from '../planning/driver.ts'

/** How often a question is asked at least; a change that is watched for ends the pause early. */
const PAUSE: Milliseconds = 500
/** Two questions are never closer than this, however many changes arrive: polling alone doubled the write gap on two cores. */
const SHORTEST_PAUSE: Milliseconds = 100

/** A time limit, and the signal that comes with it. */
export interface Deadline {
  readonly after: Milliseconds
  readonly signal: AbortSignal
}
export const deadlineAfter = (after: Milliseconds): Deadline => ({ after, signal: AbortSignal.timeout(after) })

export interface Settling {
  /** What is being done, for the error. */
  readonly what: string
  readonly where?: string | undefined
  readonly clock: Clock
  /** Cancellation by a person or by the failure of another step. */
  readonly signal: AbortSignal
  readonly deadline: Deadline
  /** Hears each new thing that is waited for, once. */
  readonly waiting: (what: string) => void
  /** Resolves when something changed; absent where nothing can be watched. */
  readonly changed?: () => Promise<void>
}

/** Asks until it is done, and returns the proof. Throws the true reason when waiting can not help, and what it waited for when time is over. */
export async function settle(ask: () => Promise<Progress>, around: Settling): Promise<JsonObject> {
  for (;;) {
    const answer = await askUntil(ask, around, (progress) => progress.is === 'done')
    if (answer.is === 'done') return answer.proof
  }
}

/** Asks until it is certain whether it is done. */
export async function settleDoubt(ask: () => Promise<Progress>, around: Settling): Promise<Progress> {
  return askUntil(ask, around, (progress) => progress.is !== 'unknown')
}

async function askUntil(ask: () => Promise<Progress>, around: Settling, enough: (progress: Progress) => boolean): Promise<Progress> {
  const either = AbortSignal.any([around.signal, around.deadline.signal])
  let waitingFor = ''
  for (;;) {
    const progress = await answerOf(ask, either)
    if (progress.is === 'failed') throw failed(around, progress)
    if (enough(progress)) return progress
    const now = progress.is === 'pending' ? progress.waitingFor : progress.is === 'unknown' ? progress.why : ''
    // A question that the deadline itself cut off tells nothing new.
    if (now !== waitingFor && !either.aborted) around.waiting(now)
    if (!either.aborted || waitingFor === '') waitingFor = now
    await pause(around, either)
    around.signal.throwIfAborted()
    if (around.deadline.signal.aborted) throw tooLate(around, waitingFor)
  }
}

/** One answer; a failure that may pass is "unknown", so that it is asked again. */
export async function answerOf(ask: () => Promise<Progress>, signal: AbortSignal): Promise<Progress> {
  try {
    return await ask()
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.retry === 'never' && !signal.aborted) throw reason
    return { is: 'unknown', why: reason.message }
  }
}

async function pause(around: Settling, signal: AbortSignal): Promise<void> {
  const asleep = new AbortController()
  const sleep = (ms: Milliseconds): Promise<void> => around.clock.sleep(ms, AbortSignal.any([signal, asleep.signal])).catch(() => undefined)
  await sleep(SHORTEST_PAUSE)
  const rest = sleep(PAUSE - SHORTEST_PAUSE)
  await (around.changed === undefined ? rest : Promise.race([around.changed(), rest]))
  asleep.abort()
}

export function failed(around: Pick<Settling, 'what' | 'where'>, progress: Extract<Progress, { is: 'failed' }>): StandbyError {
  return new StandbyError({
    code: progress.code,
    mustAct: 'site',
    what: `${around.what}: ${progress.why}`,
    where: around.where,
    next: progress.next,
  })
}

export function tooLate(around: Settling, waitingFor: string): StandbyError {
  return timeoutError(
    'step-timeout',
    `${around.what} was not done within ${readableDuration(around.deadline.after)}; it was waiting for: ${waitingFor}`,
    {
      ...(around.where === undefined ? {} : { where: around.where }),
      next: `Look at what it waits for${around.where === undefined ? '' : ` on ${around.where}`}.`,
    },
  )
}
