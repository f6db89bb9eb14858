import type { Liveness, LivenessSignal } from '../domain/liveness.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import { livenessSignalsOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import { UNSEEN } from '../errors/unseen.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'

/**
 * up: a vantage point sees it. down: none does, and at least two different ones say that it is dead. Else unknown: one
 * vantage point cannot tell a dead site from a cut link of its own, and a fault on our own side is no vote
 * ({@link UNSEEN}). Pure.
 */
export function livenessOf(
  stack: Stack,
  observation: Observation,
  drivers: Readonly<Record<string, Driver>>,
  site: SiteName,
): Liveness {
  const sightings = [...ofRunner(stack, observation, site), ...ofDrivers(stack, observation, drivers, site)]
  return { site, is: verdictOf(sightings), sightings }
}

/** What these sightings amount to. Pure. */
export function verdictOf(sightings: readonly LivenessSignal[]): Liveness['is'] {
  if (sightings.some(({ says }) => says === 'up')) return 'up'
  const down = new Set(sightings.filter(({ says }) => says === 'down').map(({ from }) => from)).size
  return down >= 2 ? 'down' : 'unknown'
}

/** What this runner sees of each platform of the site. */
function ofRunner(stack: Stack, observation: Observation, site: SiteName): LivenessSignal[] {
  const declared = stack.sites.find(({ name }) => name === site)
  if (declared === undefined) return []
  return platformViewsOf(declared, observation).flatMap(({ platform, view }) => {
    const signal = platform.signal(view)
    if (view.kind !== 'silent') return [{ from: 'this runner', ...signal }]
    const says = signal.says === 'down' && isIsolated(observation) ? 'unknown' : signal.says
    return view.triedFrom.map((from) => ({ from, says, what: signal.what }))
  })
}

/** A runner that reaches neither the witness nor any site is cut off itself: its silence is no vote. */
const isIsolated = ({ witness, sites }: Observation): boolean =>
  witness.kind === 'silent' &&
  Object.values(sites).every((view) => view.kind === 'silent' && UNSEEN[view.cause].vote !== 'up')

function ofDrivers(
  stack: Stack,
  observation: Observation,
  drivers: Readonly<Record<string, Driver>>,
  site: SiteName,
): LivenessSignal[] {
  return stack.components.flatMap((component) =>
    livenessSignalsOf(drivers[component.driver], component, observation.components[component.name] ?? {}, site),
  )
}
