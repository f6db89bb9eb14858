import { readableDuration } from '../duration.ts'
import type { Observation } from '../observation/observation.ts'
import type { Stack } from '../stack/stack.ts'
import type { Driver } from './driver.ts'
import type { Finding, Intent, Loss } from './plan.ts'

/** What the move is predicted to lose: nothing where the old site is stopped in good order, else what the components say. Pure. */
export function lossOf(stack: Stack, observation: Observation, intent: Intent, drivers: Readonly<Record<string, Driver>>): Loss {
  if (intent.mode === 'switchover')
    return nothing(
      `${intent.from} is stopped and its last write is replayed on ${intent.to} before ${intent.to} is promoted (observed ${observation.at})`,
    )
  if (intent.mode === 'rejoin') return nothing(`${intent.from} stays active; what exists only on ${intent.to} is kept as evidence`)
  const losses = stack.components.flatMap(
    (component) => drivers[component.driver]?.loss?.(component, observation.components[component.name] ?? {}, intent, observation.at) ?? [],
  )
  const counted = losses.filter(({ of }) => of === 'writes')
  if (counted.length === 0) return { bytes: [0, null], seconds: [0, null], why: 'no component can say which writes would be lost' }
  return {
    bytes: [sum(counted.map(({ bytes }) => bytes[0])) ?? 0, sum(counted.map(({ bytes }) => bytes[1]))],
    seconds: [Math.max(...counted.map(({ seconds }) => seconds[0])), highest(counted.map(({ seconds }) => seconds[1]))],
    why: losses.map(({ why }) => why).join('; '),
  }
}

/** A failover is refused until a person has named a bound that the prediction keeps. */
export function lossFindings(loss: Loss, intent: Intent): Finding[] {
  if (intent.mode !== 'failover') return []
  const [, upper] = loss.seconds
  const predicted = upper === null ? 'nobody knows how much' : `up to ${readableDuration(upper * 1_000)}`
  const blocker = (code: string, what: string, next: string): Finding[] => [{ code, severity: 'blocker', what, next }]
  if (intent.acceptLoss === undefined)
    return blocker(
      'loss-not-accepted',
      `${predicted} of acknowledged writes would be lost (${loss.why}), and nobody has accepted a loss`,
      'Name a bound: --accept-data-loss 5m, or the input accept-data-loss.',
    )
  if (upper === null || upper * 1_000 > intent.acceptLoss)
    return blocker(
      'loss-above-bound',
      `${predicted} of acknowledged writes would be lost (${loss.why}), and ${readableDuration(intent.acceptLoss)} were accepted`,
      'Look for a way to lose less, or accept more.',
    )
  return []
}

const nothing = (why: string): Loss => ({ bytes: [0, 0], seconds: [0, 0], why })

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce((total, value) => (total === null || value === null ? null : total + value), 0)
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0)
}
