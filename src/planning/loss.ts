import { acceptedLossText, coversLoss, UNKNOWN_LOSS } from '../domain/accepted-loss.ts'
import type { Finding, Intent, Loss } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { componentLoss, followersAhead, keptDataOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { minutes, readableDuration } from '../values/duration.ts'

/** The other passive sites with which a failover would lose less. Pure. */
export const aheadFindings = (
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] =>
  intent.mode !== 'failover'
    ? []
    : stack.components.flatMap((component) =>
        followersAhead(drivers[component.driver], component, observation.components[component.name] ?? {}, intent),
      )

/**
 * The predicted loss of a move. In good order it is only what no component carries over; in a failover it is what the
 * components say. Pure.
 */
export function lossOf(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Loss {
  if (intent.mode === 'reopen') return nothing(`${intent.from} stays active, and no other site has taken a write`)
  if (intent.mode === 'follow')
    return nothing(
      `the data has moved to ${intent.to} by itself before this plan: what that has lost is not counted here, and the rest of the move loses no write`,
    )
  if (intent.mode !== 'failover') return lossInGoodOrder(stack, observation, intent, drivers)
  const losses = stack.components.flatMap(
    (component) =>
      componentLoss(
        drivers[component.driver],
        component,
        observation.components[component.name] ?? {},
        intent,
        observation.at,
      ) ?? [],
  )
  const counted = losses.filter(({ of }) => of === 'writes')
  if (counted.length === 0)
    return unknown([...losses.map(({ why }) => why), 'no component says which writes would be lost'].join('; '))
  // The whole has an estimate where one part has one; of the others their upper bound counts.
  const likely = counted.some((one) => one.likely !== undefined)
    ? highest(counted.map((one) => one.likely ?? one.seconds[1]))
    : null
  return {
    bytes: [sum(counted.map(({ bytes }) => bytes[0])) ?? 0, sum(counted.map(({ bytes }) => bytes[1]))],
    seconds: [Math.max(...counted.map(({ seconds }) => seconds[0])), highest(counted.map(({ seconds }) => seconds[1]))],
    ...(likely === null ? {} : { likely }),
    why: losses.map(({ why }) => why).join('; '),
  }
}

/**
 * A switchover loses nothing of what its components carry over; if they carry nothing over, the loss is unknown. A
 * rejoin changes nothing on the active site.
 */
function lossInGoodOrder(
  stack: Stack,
  { at }: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Loss {
  const { mode, from } = intent
  const kept = stack.components.flatMap((component) => keptDataOf(drivers[component.driver], component, intent) ?? [])
  const clauses = (head: string): string => [head, ...kept.map(({ what }) => what)].join('; ')
  if (mode === 'rejoin') return nothing(clauses(`${from} stays active`))
  if (kept.some(({ carried }) => carried))
    return nothing(`${clauses(`${from} is stopped in good order`)} (observed ${at})`)
  return unknown(
    `${clauses(`${from} is stopped in good order`)}; no component of ${stack.name} carries data over: what ${from} stores itself stays there`,
  )
}

/** A failover is refused until a person names a bound that the prediction does not exceed. */
export function lossFindings(loss: Loss, intent: Intent): Finding[] {
  if (intent.mode !== 'failover') return []
  const [, upper] = loss.seconds
  const likely = loss.likely === undefined ? '' : ` (likely at most ${readableDuration(loss.likely * 1_000)})`
  const predicted = upper === null ? 'an unknown amount' : `up to ${readableDuration(upper * 1_000)}${likely}`
  const what = `${predicted} of acknowledged writes would be lost (${loss.why})`
  const { acceptLoss } = intent
  if (acceptLoss === undefined)
    return [
      {
        code: 'loss-not-accepted',
        severity: 'blocker',
        what: `${what}, and no loss is accepted`,
        next: boundFor(upper),
      },
    ]
  if (!coversLoss(acceptLoss, upper === null ? null : upper * 1_000))
    return [
      {
        code: 'loss-above-bound',
        severity: 'blocker',
        what: `${what}, and ${acceptedLossText(acceptLoss)} is accepted`,
        next: `Look for a way to lose less, or accept more. ${boundFor(upper)}`,
      },
    ]
  if (acceptLoss !== UNKNOWN_LOSS) return []
  // Any loss includes a measurable one: an archive that answers again must not stop a failover that was approved
  // without it.
  return upper === null
    ? [{ code: 'loss-unknown', severity: 'warning', what: `${what}; any loss is accepted` }]
    : [{ code: 'loss-measured', severity: 'warning', what: `${what}, and any loss is accepted`, next: boundFor(upper) }]
}

/** A prediction may grow while people decide; the execution judges it again. */
const TO_DECIDE = minutes(30)

/** Which bound to name, in the notation of inputs and in whole minutes. `upper`: seconds; null: unknown. */
function boundFor(upper: number | null): string {
  if (upper === null)
    return `No bound holds while the amount is unknown. If a database or its archive is silent, make it answer. Else a person who may decide it accepts a loss that cannot be measured: --accept-data-loss ${UNKNOWN_LOSS} (input accept-data-loss).`
  const enough = Math.ceil((upper * 1_000 + TO_DECIDE) / minutes(1))
  return `Name a bound. It is judged once more when the plan is executed, and may grow until then: --accept-data-loss ${enough}m (input accept-data-loss) leaves ${readableDuration(TO_DECIDE)} to decide.`
}

const nothing = (why: string): Loss => ({ bytes: [0, 0], seconds: [0, 0], why })
const unknown = (why: string): Loss => ({ bytes: [0, null], seconds: [0, null], why })

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce((total, value) => (total === null || value === null ? null : total + value), 0)
}

function highest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0)
}
