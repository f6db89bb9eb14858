import { changesActiveSite, type Intent, PHASES, type Phase, type PlannedStep } from '../domain/plan.ts'
import type { Milliseconds } from '../values/duration.ts'
import { schedule } from './order-steps.ts'

/**
 * What these steps take, and for how long writes are refused. Writes are refused from the first closed door to the
 * opened traffic; where no component is traffic, until the new site serves. A rejoin refuses no user: the active site
 * serves throughout. Pure.
 */
export function predictedTimes(
  steps: readonly PlannedStep[],
  { mode }: Pick<Intent, 'mode'>,
): { readonly duration: Milliseconds; readonly writeGap: Milliseconds } {
  const scheduled = schedule(steps)
  const endOf = (phase: Phase): Milliseconds =>
    Math.max(0, ...steps.filter((step) => step.phase === phase).map((step) => scheduled.get(step.id)?.ends ?? 0))
  const beginOf = (phase: Phase): Milliseconds =>
    Math.min(...steps.filter((step) => step.phase === phase).map((step) => scheduled.get(step.id)?.begins ?? 0))
  const served = endOf('TRAFFIC') || Math.max(...PHASES.slice(0, PHASES.indexOf('TRAFFIC')).map(endOf))
  const closed = [beginOf('DRAIN'), beginOf('FENCE'), served].find((time) => Number.isFinite(time)) ?? served
  return {
    duration: Math.max(0, ...[...scheduled.values()].map((time) => time.ends)),
    writeGap: changesActiveSite({ mode }) ? served - closed : 0,
  }
}
