import type { Milliseconds } from '../values/duration.ts'
import type { StepRun } from './behaviour.ts'

/** How long this process has been at the step. */
export const runningFor = <Spec>({ context, begunAt }: StepRun<Spec>): Milliseconds =>
  context.clock.now().getTime() - Date.parse(begunAt)
