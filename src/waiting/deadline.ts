import type { Clock } from '../runtime/clock.ts'
import type { Milliseconds } from '../values/duration.ts'

/** A time limit, and the signal that comes with it. */
export interface Deadline {
  readonly after: Milliseconds
  readonly signal: AbortSignal
  /** What is left of it now; not positive once it is over. */
  left(): Milliseconds
}

/** Aborts what is under way when the time is over; counts by the monotonic clock. */
export function deadlineAfter(after: Milliseconds): Deadline {
  const ends = performance.now() + after
  return { after, signal: AbortSignal.timeout(after), left: () => ends - performance.now() }
}

/** A time limit for tries, each of which has a deadline of its own: nothing is cut off by it. */
export function patienceOf(after: Milliseconds, clock: Clock): Deadline {
  const ends = clock.now().getTime() + after
  return { after, signal: new AbortController().signal, left: () => ends - clock.now().getTime() }
}
