import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'

/** Where going back does not help users: for this long a fence that others open is shut again. */
const FIGHTS_FOR: Milliseconds = minutes(5)

/**
 * Whether this process shuts a fence again that is on record and was seen open. Once, where the old site can serve
 * again (a switchover before its point of no return): a person opens a site once, a controller again and again, and
 * users are shut out meanwhile. Otherwise for a bounded time from the first one on: a lost site serves no user, and
 * nothing goes back after the point of no return.
 */
export function boundOnShutting(clock: Clock): (step: PlannedStep, canGoBack: boolean) => boolean {
  const shutAgain = new Set<StepId>()
  let since: Milliseconds | null = null
  return ({ id }, canGoBack) => {
    if (canGoBack) {
      const first = !shutAgain.has(id)
      shutAgain.add(id)
      return first
    }
    const now = clock.now().getTime()
    since ??= now
    return now - since <= FIGHTS_FOR
  }
}
