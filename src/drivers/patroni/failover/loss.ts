import type { ComponentLoss, Finding, Intent } from '../../../domain/plan.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { stateAt } from '../assess/findings-of-site.ts'
import { codes } from '../codes.ts'
import { partedAt } from '../history.ts'
import { type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { clusterNamed, type Database } from '../spec.ts'

type States = StatesPerSite<PatroniState>

/**
 * What a failover now would lose; null for another move. Seconds: since the last commit that the new site has replayed,
 * because the time of a silent primary's last write is not known. On a database without writes that figure grows, and
 * nothing is lost. Pure.
 */
export function predictedLoss(component: Database, states: States, intent: Intent, now: string): ComponentLoss | null {
  if (intent.mode !== 'failover') return null
  const [from, to] = [stateAt(states, intent.from), stateAt(states, intent.to)]
  const [lost, successor] = [clusterNamed(component, intent.from), clusterNamed(component, intent.to)]
  const leader = to === null ? null : standbyLeaderIn(to)
  if (leader === null)
    return { of: 'writes', bytes: [0, null], seconds: [0, null], why: `it is not known how far ${successor} is` }
  const at = Date.parse(leader.replayedTime ?? '')
  const seconds = Number.isNaN(at) ? null : Math.max(0, Math.ceil((Date.parse(now) - at) / 1_000))
  const [ahead = null] = farther(component, states, intent)
  const why = [
    leader.replayedTime === null
      ? `it is not known when the last commit of ${lost} was replayed on ${successor}`
      : `${successor} has replayed a commit of ${leader.replayedTime}; what ${lost} committed later may be lost, counted up to now, so the figure grows with the clock`,
    ...(leader.replication === 'streaming' ? [`${successor} streams from it at this moment`] : []),
    ...(ahead === null
      ? []
      : [`${ahead.site} holds ${ahead.bytes} bytes of it that are not here, and are lost for certain`]),
  ].join('; ')
  const writer = from === null ? null : writerIn(from)
  if (writer === null)
    return {
      of: 'writes',
      bytes: [ahead?.bytes ?? 0, null],
      seconds: [0, seconds],
      why: `${lost} is silent, so the time of its last write is unknown; ${why}`,
    }
  const parted = from === null || to === null ? null : partedAt(to.history, from.history)
  if (parted !== null)
    return {
      of: 'writes',
      bytes: [0, null],
      seconds: [0, null],
      why: `${successor} and ${lost} left timeline ${parted.timeline} at different positions: what ${lost} has and ${successor} lacks cannot be counted`,
    }
  const bytes = Math.max(0, writer.writesAt - leader.receivedAt)
  return {
    of: 'writes',
    bytes: [0, bytes],
    seconds: [0, bytes === 0 ? 0 : seconds],
    why: `${lost} still answers and has written ${bytes} bytes that are not here; what it writes until it is fenced comes on top; ${why}`,
  }
}

/** The other passive sites that hold more of the lost one than the site that takes over, the farthest first. Pure. */
export function farther(
  component: Database,
  states: States,
  { from, to }: Intent,
): { readonly site: string; readonly bytes: number }[] {
  const here = receivedFrom(states, to, from)
  if (here === null || here.streams) return []
  return Object.keys(component.spec.sites)
    .filter((site) => site !== from && site !== to)
    .flatMap((site) => {
      const there = receivedFrom(states, site, from)
      return there !== null && there.at > here.at ? [{ site, bytes: there.at - here.at }] : []
    })
    .sort((a, b) => b.bytes - a.bytes)
}

/** How far a site has received what another one wrote; null where it follows another one, or does not say. */
function receivedFrom(
  states: States,
  site: string,
  from: string,
): { readonly at: number; readonly streams: boolean } | null {
  const state = stateAt(states, site)
  const leader = state === null ? null : standbyLeaderIn(state)
  return state?.follows !== from || leader === null
    ? null
    : { at: leader.receivedAt, streams: leader.replication === 'streaming' }
}

/** A failover to the site that holds the most loses the least. Pure. */
export const anotherAhead = (component: Database, states: States, intent: Intent): Finding[] =>
  farther(component, states, intent).map(({ site, bytes }) =>
    codes.finding('patroni-another-ahead', component, {
      severity: 'warning',
      site,
      what: `${site} holds ${bytes} bytes of ${clusterNamed(component, intent.from)} that ${intent.to} does not have: with a failover to ${intent.to} they are lost`,
      next: `Plan the failover to the site that holds the most: --to ${site}`,
    }),
  )
