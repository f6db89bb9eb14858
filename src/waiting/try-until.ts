import { asStandbyError, type StandbyError, timeoutError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import type { Deadline } from './deadline.ts'

/** What is tried, for how long, and what is reported. */
export interface Trying {
  /** What is being done, for the error. */
  readonly what: string
  readonly where?: string | undefined
  readonly clock: Clock
  /** Cancellation by a person or by the failure of another step. */
  readonly signal: AbortSignal
  readonly deadline: Deadline
  /** Called once for each new reason to wait. */
  readonly waiting: (what: string) => void
  /** Resolves when something changed; absent where nothing can be watched. */
  readonly changed?: () => Promise<void>
  /** What was waited for before these tries; said when the deadline cuts the very first of them off. */
  readonly waitedFor?: string
}

/** The first pause, which doubles: a webhook that restarts is gone for seconds, and users may be shut out meanwhile. */
const FIRST_PAUSE: Milliseconds = 250
const LONGEST_PAUSE: Milliseconds = seconds(2)
/**
 * Other writers of an object, such as its operator, write a few times a second at most: one of these tries succeeds.
 */
const CONFLICTS = 10
const CONFLICT_PAUSE: Milliseconds = 50
/** A pause that would outlast the deadline ends this much before it, for one last try. */
const LAST_TRY: Milliseconds = seconds(1)
/** The least time between two tries, however many changes arrive: faster polling doubled the write gap on two cores. */
const SHORTEST_PAUSE: Milliseconds = 100

/**
 * Tries until it succeeds. What is transient is tried until the deadline, with growing pauses, and never earlier than
 * the other side asks for; a conflict a few times; everything else ends it at once. Throws the true reason, or
 * `step-timeout` with what it waited for. This is the only place that decides whether and when something is tried
 * again: a question, an effect, its way back, a unit of a deploy, a write of the witness.
 */
export async function tryUntil<Result>(attempt: (tries: number) => Promise<Result>, around: Trying): Promise<Result> {
  let [conflicts, others, paused] = [0, 0, 0]
  let waitedFor = around.waitedFor ?? ''
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(tries)
    } catch (error) {
      around.signal.throwIfAborted()
      const reason = asStandbyError(error)
      // The error of a try that the deadline aborted has no other cause.
      if (around.deadline.signal.aborted) throw tooLate(around, waitedFor === '' ? reason.message : waitedFor)
      if (reason.retry === 'conflict') conflicts += 1
      else others += 1
      if (reason.retry === 'never' || conflicts === CONFLICTS) throw reason
      if (waitedFor !== reason.message) around.waiting(`another try: ${reason.message}`)
      waitedFor = reason.message
      const left = Math.min(around.deadline.left(), around.deadline.after - paused)
      if (left <= 0) throw tooLate(around, waitedFor)
      const wait = pauseAfter(reason, reason.retry === 'conflict' ? conflicts : others, left)
      await pauseFor(wait, reason.retryAfter === null ? around : { ...around, changed: undefined })
      paused += wait
      around.signal.throwIfAborted()
      if (around.deadline.signal.aborted) throw tooLate(around, waitedFor)
    }
  }
}

/** How long to wait after so many failures of one kind, with so much time left. Pure. */
export function pauseAfter(
  { retry, retryAfter }: Pick<StandbyError, 'retry' | 'retryAfter'>,
  failures: number,
  left: Milliseconds,
): Milliseconds {
  const grown =
    retry === 'conflict' ? CONFLICT_PAUSE * failures : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
  const wanted = Math.max(grown, retryAfter ?? 0)
  if (wanted < left) return wanted
  return left > LAST_TRY ? left - LAST_TRY : left
}

/** Sleeps until the time is over, something changes, or the work is cancelled or late, which the caller checks. */
export async function pauseFor(
  time: Milliseconds,
  around: Pick<Trying, 'clock' | 'signal' | 'deadline'> & PauseEnd,
): Promise<void> {
  const asleep = new AbortController()
  const signal = AbortSignal.any([around.signal, around.deadline.signal, asleep.signal])
  const sleep = (ms: Milliseconds): Promise<void> => around.clock.sleep(ms, signal).catch(() => undefined)
  await sleep(Math.min(time, SHORTEST_PAUSE))
  if (time <= SHORTEST_PAUSE) return
  const rest = sleep(time - SHORTEST_PAUSE)
  await (around.changed === undefined ? rest : Promise.race([around.changed(), rest]))
  asleep.abort()
}
interface PauseEnd {
  readonly changed?: (() => Promise<void>) | undefined
}

export function tooLate(around: Pick<Trying, 'what' | 'where' | 'deadline'>, waitingFor: string): StandbyError {
  return timeoutError(
    'step-timeout',
    `${around.what} was not done within ${readableDuration(around.deadline.after)}; it was waiting for: ${waitingFor}`,
    {
      ...(around.where === undefined ? {} : { where: around.where }),
      next: `Look at what it waits for${around.where === undefined ? '' : ` on ${around.where}`}.`,
    },
  )
}
