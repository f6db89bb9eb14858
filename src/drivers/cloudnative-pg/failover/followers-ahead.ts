import type { BySite } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import { parseLsn, parseSegment } from '../../../systems/postgres/wal.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'

/**
 * Bytes of the lost site that another follower of it has, and the one that takes over does not have and can not fetch.
 */
export interface Ahead {
  readonly site: string
  readonly bytes: number
}

/**
 * The followers that are farther than the one that takes over, the farthest first; none while that one streams, and is
 * catching up. Pure.
 */
export function farther(component: Database, states: BySite<CloudNativePgState>, intent: Intent): Ahead[] {
  const lost = clusterOf(component, intent.from)
  const to = states[intent.to]
  const here = reachedBy(states, intent.to, lost)
  if (here === null || (to?.kind === 'answering' && to.state.instance?.isWalReceiverActive === true)) return []
  return Object.keys(component.spec.sites)
    .filter((site) => site !== intent.from && site !== intent.to)
    .flatMap((site) => {
      const there = reachedBy(states, site, lost)
      return there !== null && there > here ? [{ site, bytes: Number(there - here) }] : []
    })
    .sort((a, b) => b.bytes - a.bytes)
}

/**
 * How much of the lost site a follower holds, or can still fetch from its archive; null where it follows another one,
 * or does not say.
 */
function reachedBy(states: BySite<CloudNativePgState>, site: string, lost: string): bigint | null {
  const seen = states[site]
  if (seen?.kind !== 'answering' || !seen.state.isReplica || seen.state.replica?.primary !== lost) return null
  const { instance, upstream, segmentBytes } = seen.state
  const newest =
    upstream?.cluster === lost && segmentBytes !== null
      ? parseSegment(upstream.newest?.segment ?? '', segmentBytes)
      : null
  const archived = newest?.end ?? null
  return [parseLsn(instance?.receivedLsn), parseLsn(instance?.replayLsn), archived].reduce<bigint | null>(
    (most, position) => (position !== null && (most === null || position > most) ? position : most),
    null,
  )
}

/**
 * A failover to the site that holds the most loses the least: what another one holds beyond is lost, and that one has
 * to be cloned anew. Pure.
 */
export const followersAhead = (component: Database, states: BySite<CloudNativePgState>, intent: Intent): Finding[] =>
  farther(component, states, intent).map(({ site, bytes }) => ({
    code: 'another-site-ahead',
    severity: 'warning',
    component: component.name,
    site,
    what: `${site} holds ${bytes} bytes of ${clusterOf(component, intent.from)} that ${intent.to} does not have: with a failover to ${intent.to} they are lost, and ${site} has to be cloned anew`,
    next: `Plan the failover to the site that holds the most: --to ${site}`,
  }))
