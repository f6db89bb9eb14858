import type { Intent, Loss } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'

/**
 * The loss, as the steps measured it: a step that measures has `loss: {bytes, seconds, why}` in its proof. Null before
 * anything was promoted, and where no step measured it. A switchover that was promoted has lost nothing: its steps
 * prove that the last write was replayed. Pure.
 */
export function countedLoss(intent: Intent, steps: readonly StepReport[]): Loss | null {
  if (!wasPromoted(steps)) return null
  const counted = steps.flatMap(({ proof }) => lossIn(proof?.loss) ?? [])
  if (counted.length > 0)
    return {
      bytes: [sum(counted.map(({ bytes }) => bytes[0])) ?? 0, sum(counted.map(({ bytes }) => bytes[1]))],
      seconds: [
        Math.max(...counted.map(({ seconds }) => seconds[0])),
        highest(counted.map(({ seconds }) => seconds[1])),
      ],
      why: counted.map(({ why }) => why).join('; '),
    }
  const whole = steps
    .filter(({ phase }) => phase === 'FINAL_SYNC')
    .every(({ outcome }) => outcome === 'done' || outcome === 'was-done')
  return intent.mode === 'switchover' && whole
    ? {
        bytes: [0, 0],
        seconds: [0, 0],
        why: `the last write of ${intent.from} was replayed on ${intent.to} before the promotion`,
      }
    : null
}

/** Whether the move has named the new site, or promoted anything there. Pure. */
export const wasPromoted = (steps: readonly StepReport[]): boolean =>
  steps.some(({ phase, outcome }) => phase === 'PROMOTE' && (outcome === 'done' || outcome === 'was-done'))

/** The loss in a proof or a record; null where there is none that can be read. */
export function lossIn(found: unknown): Loss | null {
  const loss = found as Partial<Record<keyof Loss | 'of', unknown>> | null | undefined
  const [bytes, seconds] = [intervalIn(loss?.bytes), intervalIn(loss?.seconds)]
  // Lost data of a cache is not a loss: it acknowledged no write.
  if (bytes === null || seconds === null || loss?.of === 'cache') return null
  return {
    bytes,
    seconds,
    ...(typeof loss?.likely === 'number' ? { likely: loss.likely } : {}),
    why: typeof loss?.why === 'string' ? loss.why : '',
  }
}

export function intervalIn(found: unknown): [number, number | null] | null {
  if (!Array.isArray(found)) return null
  const [low, high] = found as unknown[]
  return typeof low === 'number' && (typeof high === 'number' || high === null) ? [low, high] : null
}

export const sum = (values: readonly (number | null)[]): number | null =>
  values.reduce((total, value) => (total === null || value === null ? null : total + value), 0)
export const highest = (values: readonly (number | null)[]): number | null =>
  values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0)

/** `database` of `database.keep-evidence@dc-a`. */
export const componentOfStep = (step: string): string => step.split('.')[0] ?? step
