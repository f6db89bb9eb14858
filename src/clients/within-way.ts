import type { Milliseconds } from '../values/duration.ts'
import { CALL, overWay, type Trips } from './patience.ts'
import type { MeasuredWay } from './round-trip.ts'
import { withinDeadline } from './within-deadline.ts'

export interface Allowed {
  /** Over a short way. */
  readonly deadline: Milliseconds
  /** What of it was used before. */
  readonly spent?: Milliseconds
  readonly trips?: Trips
}

/**
 * As {@link withinDeadline}, over a way that is measured when the answer is late: then the deadline is so much longer.
 */
export function withinWay<T>(
  way: MeasuredWay,
  { deadline, spent = 0, trips = CALL }: Allowed,
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
  late: (deadline: Milliseconds) => Error,
): Promise<T> {
  const asking = way.asking()
  const left = (): Milliseconds => Math.max(1, overWay(way, deadline, trips) - spent)
  return withinDeadline(left, signals, work, late).finally(asking.end)
}
