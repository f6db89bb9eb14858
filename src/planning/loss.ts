import { minutes, readableDuration } from '../duration.ts'
import type { Observation } from '../observation/observation.ts'
import type { Stack } from '../stack/stack.ts'
import type { Driver } from './driver.ts'
import type { Finding, Intent, Loss } from './plan.ts'

/** The other passive sites that a failover would lose less with. Pure. */
export const aheadFindings = (
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] =>
  intent.mode !== 'failover'
    ? []
    : stack.components.flatMap(
        (component) => drivers[component.driver]?.ahead?.(component, observation.components[component.name] ?? {}, intent) ?? [],
      )

/** What the move is predicted to lose: nothing where the old site is stopped in good order, else what the components say. Pure. */
export function lossOf(stack: Stack, observation: Observation, intent: Intent, drivers: Readonly<Record<string, Driver>>): Loss {
  if (intent.mode === 'switchover')
    return nothing(
      `${intent.from} is stopped and its last write is replayed on ${intent.to} before ${intent.to} is promoted (observed ${observation.at})`,
    )
  if (intent.mode === 'reopen') return nothing(`${intent.from} stays active, and no other site has taken a write`)
  if (intent.mode === 'rejoin') return nothing(`${intent.from} stays active; what exists only on ${intent.to} is kept as evidence`)
  const losses = stack.components.flatMap(
    (component) => drivers[component.driver]?.loss?.(component, observation.components[component.name] ?? {}, intent, observation.at) ?? [],
  )
  const counted = losses.filter(({ of }) => of === 'writes')
  if (counted.length === 0) return { bytes: [0, null], seconds: [0, null], why: 'no component can say which writes would be lost' }
  // Likely of the whole is only what every part says, by a figure of its own or by its upper end.
  const likely = counted.some((one) => one.likely !== undefined) ? highest(counted.map((one) => one.likely ?? one.seconds[1])) : null
  return {
    bytes: [sum(counted.map(({ bytes }) => bytes[0])) ?? 0, sum(counted.map(({ bytes }) => bytes[1]))],
    seconds: [Math.max(...counted.map(({ seconds }) => seconds[0])), highest(counted.map(({ seconds }) => seconds[1]))],
    ...(likely === null ? {} : { likely }),
    why: losses.map(({ why }) => why).join('; '),
  }
}

/** A failover is refused until a person has named a bound that the prediction keeps. */
export function lossFindings(loss: Loss, intent: Intent): Finding[] {
  if (intent.mode !== 'failover') return []
  const [, upper] = loss.seconds
  const likely = loss.likely === undefined ? '' : ` (likely at most ${readableDuration(loss.likely * 1_000)})`
  const predicted = upper === null ? 'nobody knows how much' : `up to ${readableDuration(upper * 1_000)}${likely}`
  const blocker = (code: string, what: string, next: string): Finding[] => [{ code, severity: 'blocker', what, next }]
  if (intent.acceptLoss === undefined)
    return blocker(
      'loss-not-accepted',
      `${predicted} of acknowledged writes would be lost (${loss.why}), and nobody has accepted a loss`,
      `Name a bound. ${boundFor(upper)}`,
    )
  if (upper === null || upper * 1_000 > intent.acceptLoss)
    return blocker(
      'loss-above-bound',
      `${predicted} of acknowledged writes would be lost (${loss.why}), and ${readableDuration(intent.acceptLoss)} were accepted`,
      `Look for a way to lose less, or accept more. ${boundFor(upper)}`,
    )
  return []
}

/** People decide meanwhile, and a prediction may grow until the plan is executed, which judges it once more. */
const TO_DECIDE = minutes(30)

/** Which bound to name; in the notation of inputs, in whole minutes. */
function boundFor(upper: number | null): string {
  if (upper === null) return 'None is kept while nobody knows how much: make the archive of the lost site, or the replica, answer.'
  const enough = Math.ceil((upper * 1_000 + TO_DECIDE) / minutes(1))
  return `It is judged once more when the plan is executed, and may grow until then: --accept-data-loss ${enough}m (input accept-data-loss) leaves ${readableDuration(TO_DECIDE)} to decide.`
}

const nothing = (why: string): Loss => ({ bytes: [0, 0], seconds: [0, 0], why })

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce((total, value) => (total === null || value === null ? null : total + value), 0)
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0)
}
