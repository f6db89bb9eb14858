import type { BySite } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import { reachedBy } from '../../../systems/postgres/server-position.ts'
import { codes } from '../codes.ts'
import type { CloudNativePgState } from '../observe.ts'
import { positionOf } from '../position.ts'
import { clusterOf, type Database } from '../spec.ts'

/** Bytes of the lost site that a follower has, and that the new active site neither has nor can fetch. */
export interface Ahead {
  readonly site: string
  readonly bytes: number
}

/**
 * The followers that are farther than the new active site, the farthest first; none while that one streams, and is
 * catching up. Pure.
 */
export function farther(component: Database, states: BySite<CloudNativePgState>, intent: Intent): Ahead[] {
  const lost = clusterOf(component, intent.from)
  const to = states[intent.to]
  const here = reachedOf(lost, states, intent.to)
  if (here === null || (to?.kind === 'answering' && to.state.instance?.isWalReceiverActive === true)) return []
  return Object.keys(component.spec.sites)
    .filter((site) => site !== intent.from && site !== intent.to)
    .flatMap((site) => {
      const there = reachedOf(lost, states, site)
      return there !== null && there > here ? [{ site, bytes: Number(there - here) }] : []
    })
    .sort((a, b) => b.bytes - a.bytes)
}

/**
 * How far a follower has come in the lost cluster's history, or can come with its archive; null where it follows
 * another cluster, or does not say.
 */
function reachedOf(lost: string, states: BySite<CloudNativePgState>, site: string): bigint | null {
  const seen = states[site]
  if (seen?.kind !== 'answering' || !seen.state.isReplica || seen.state.replica?.primary !== lost) return null
  const { upstream } = seen.state
  return reachedBy({ ...positionOf(seen.state), archive: upstream?.cluster === lost ? upstream : null })
}

/**
 * A failover to the site that holds the most loses the least: what another site holds beyond is lost, and that site has
 * to be cloned anew. Pure.
 */
export const followersAhead = (component: Database, states: BySite<CloudNativePgState>, intent: Intent): Finding[] =>
  farther(component, states, intent).map(({ site, bytes }) => ({
    code: codes.code['another-site-ahead'],
    severity: 'warning',
    component: component.name,
    site,
    what: `${site} holds ${bytes} bytes of ${clusterOf(component, intent.from)} that ${intent.to} does not have: with a failover to ${intent.to} they are lost, and ${site} has to be cloned anew`,
    next: `Plan the failover to the site that holds the most: --to ${site}`,
  }))
