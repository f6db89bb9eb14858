import type { Clock } from '../runtime/clock.ts'
import type { Milliseconds } from '../values/duration.ts'

/** How long ago the step began, also where another process began it. */
export const runningFor = ({ context, begunAt }: RunningStep): Milliseconds =>
  context.clock.now().getTime() - Date.parse(begunAt)

/** What of a run of a step says how long it takes. */
interface RunningStep {
  readonly context: { readonly clock: Clock }
  /** ISO 8601. */
  readonly begunAt: string
}
