import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'

/** Where going back would serve nobody: for so long what somebody opens is shut again. */
const FIGHTS_FOR: Milliseconds = minutes(5)

/**
 * Whether this process shuts a fence again that was on record, and was seen open. Once where the old site can serve
 * again (a switchover before its point of no return): a person who opens a site does so once, a controller goes on, and
 * users wait outside meanwhile. Else for a bounded time, from the first time on: a lost site serves nobody, and beyond
 * the point of no return nothing goes back.
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
