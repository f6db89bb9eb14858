import type { Liveness, LivenessSignal } from '../domain/liveness.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import { UNSEEN, type Unseen } from '../errors/unseen.ts'
import type { Observation } from '../observation/observation.ts'

/**
 * An API server is alive for itself alone: with no node that is ready, nothing behind it has been heard of for the
 * better part of a minute.
 *
 * up: somebody sees it. down: nobody does, and at least two different vantage points say so. Else unknown: one pair of
 * eyes can not tell a dead site from a cut link of its own, and what fails on our own side is no vote ({@link UNSEEN}).
 * Pure.
 */
export function livenessOf(
  stack: Stack,
  observation: Observation,
  drivers: Readonly<Record<string, Driver>>,
  site: SiteName,
): Liveness {
  const sightings = [...ofRunner(observation, site), ...ofDrivers(stack, observation, drivers, site)]
  return { site, is: verdictOf(sightings), sightings }
}

/** What these sightings amount to. Pure. */
export function verdictOf(sightings: readonly LivenessSignal[]): Liveness['is'] {
  if (sightings.some(({ says }) => says === 'up')) return 'up'
  const down = new Set(sightings.filter(({ says }) => says === 'down').map(({ from }) => from)).size
  return down >= 2 ? 'down' : 'unknown'
}

function ofRunner(observation: Observation, site: SiteName): LivenessSignal[] {
  const view = observation.sites[site]
  if (view === undefined) return []
  if (view.kind === 'silent')
    return view.triedFrom.map((from) => ({
      from,
      says: ofSilence(view.cause, observation),
      what: `its API server: ${view.why}`,
    }))
  if (view.kind === 'stranger')
    return [{ from: 'this runner', says: 'unknown', what: 'the kubeconfig leads to another cluster' }]
  if (view.nodes !== undefined && view.nodes.total > 0 && view.nodes.ready === 0)
    return [
      {
        from: 'this runner',
        says: 'down',
        what: `its API server answers, and none of its ${view.nodes.total} nodes is ready: what runs on them is dead, or cut off`,
      },
    ]
  return [{ from: 'this runner', says: 'up', what: `its API server answers (${view.version})` }]
}

/** What hears nobody at all, neither the witness nor any site, is deaf itself: its silence is no vote. */
function ofSilence(cause: Unseen, observation: Observation): LivenessSignal['says'] {
  const { vote } = UNSEEN[cause]
  if (vote === 'none') return 'unknown'
  return vote === 'down' && isIsolated(observation) ? 'unknown' : vote
}

const isIsolated = ({ witness, sites }: Observation): boolean =>
  witness.kind === 'silent' &&
  Object.values(sites).every((view) => view.kind === 'silent' && UNSEEN[view.cause].vote !== 'up')

function ofDrivers(
  stack: Stack,
  observation: Observation,
  drivers: Readonly<Record<string, Driver>>,
  site: SiteName,
): LivenessSignal[] {
  return stack.components.flatMap(
    (component) =>
      drivers[component.driver]?.sees?.(component, observation.components[component.name] ?? {}, site) ?? [],
  )
}
