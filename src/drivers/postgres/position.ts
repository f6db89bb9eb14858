import type { Gap } from '../../domain/observed.ts'
import type { ComponentLoss, Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { lossOfFailover } from '../../systems/postgres/predicted-loss.ts'
import { gapBetween, reachedBy, type ServerPosition } from '../../systems/postgres/server-position.ts'
import { parseDuration } from '../../values/duration.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { type Database, serverName } from './spec.ts'

/** A server's position in the words that all PostgreSQL drivers share. Pure. */
export function positionOf(server: ServerState): ServerPosition {
  return {
    systemId: server.systemId,
    currentLsn: server.currentLsn,
    receivedLsn: server.receivedLsn,
    replayLsn: server.replayLsn,
    streams: server.receiver?.status === 'streaming',
    shippedWal: server.archiver.lastWal,
    shippedAt: server.archiver.lastAt,
    segmentBytes: server.segmentBytes,
    // Where it archives is a matter of those who run it.
    archive: null,
  }
}

/** How far each passive server is behind the active one. Pure. */
export function gapsOf(
  states: StatesPerSite<ServerState>,
  activeSite: SiteName,
  now: string,
): Readonly<Record<string, Gap>> {
  const active = states[activeSite]
  const source = active?.kind === 'answering' ? positionOf(active.state) : null
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]) =>
      site === activeSite || seen.kind !== 'answering' ? [] : [[site, gapBetween(source, positionOf(seen.state), now)]],
    ),
  )
}

/** What a failover now would lose; null for another move. Pure. */
export function predictedLoss(
  component: Database,
  states: StatesPerSite<ServerState>,
  intent: Intent,
  now: string,
): ComponentLoss | null {
  if (intent.mode !== 'failover') return null
  const [from, to] = [states[intent.from], states[intent.to]]
  if (to?.kind !== 'answering')
    return { of: 'writes', bytes: [0, null], seconds: [0, null], why: `nothing is known of ${intent.to}` }
  return lossOfFailover({
    lost: {
      name: serverName(component, intent.from),
      answers: from?.kind === 'answering',
      currentLsn: from?.kind === 'answering' ? (from.state.currentLsn ?? from.state.replayLsn) : null,
    },
    successor: {
      name: serverName(component, intent.to),
      archiveTimeout: parseDuration(`${to.state.settings.archive_timeout ?? '0'}s`),
      ...positionOf(to.state),
      lastCommitAt: to.state.lastCommitAt,
    },
    ahead: fartherSites(component, states, intent)[0] ?? null,
    now,
  })
}

/** The other replicas that hold more than the one that takes over, the farthest first. Pure. */
function fartherSites(
  component: Database,
  states: StatesPerSite<ServerState>,
  intent: Intent,
): { readonly site: string; readonly bytes: number }[] {
  const to = states[intent.to]
  if (to?.kind !== 'answering' || to.state.receiver?.status === 'streaming') return []
  const here = reachedBy(positionOf(to.state))
  if (here === null) return []
  return Object.keys(component.spec.sites)
    .flatMap((site) => {
      const seen = states[site]
      if (site === intent.from || site === intent.to || seen?.kind !== 'answering') return []
      const { systemId, timeline, inRecovery } = seen.state
      if (!inRecovery || systemId !== to.state.systemId || timeline !== to.state.timeline) return []
      const there = reachedBy(positionOf(seen.state))
      return there !== null && there > here ? [{ site, bytes: Number(there - here) }] : []
    })
    .sort((a, b) => b.bytes - a.bytes)
}

export const followersAhead = (component: Database, states: StatesPerSite<ServerState>, intent: Intent): Finding[] =>
  fartherSites(component, states, intent).map(({ site, bytes }) =>
    codes.finding('another-site-ahead', component, {
      severity: 'warning',
      site,
      what: `${site} holds ${bytes} bytes of ${intent.from} that ${intent.to} does not have: with a failover to ${intent.to} they are lost, and ${site} has to be made anew`,
      next: `Plan the failover to the site that holds the most: --to ${site}`,
    }),
  )
