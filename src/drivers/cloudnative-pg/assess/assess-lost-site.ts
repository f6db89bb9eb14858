import type { BySite } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { type Milliseconds, readableDuration, seconds } from '../../../values/duration.ts'
import { type Say, sayAt } from '../codes.ts'
import { mayWrite } from '../failover/fence.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'
import { segmentsUnknown } from './assess-settings.ts'
import { findingsOfSite } from './assess-site.ts'
import { FOR_FAILOVER, FOR_REJOIN } from './severities.ts'

/**
 * What stands against a failover. Only the site that takes over is asked: the lost one can stand against nothing. Pure.
 */
export function assessFailover(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  assessment: Assessment,
): Finding[] {
  const found = findingsOfSite(component, intent.to, states, FOR_FAILOVER, assessment)
  const seen = states[intent.to]
  if (seen?.kind !== 'answering') return found
  const { state } = seen
  const say = sayAt(component, intent.to)
  const lost = clusterOf(component, intent.from)
  if (state.isReplica && state.replica?.primary !== lost)
    found.push(
      say(
        'follows-another',
        'blocker',
        `${state.cluster} follows ${state.replica?.primary ?? 'no cluster'}, not ${lost}`,
        'Find out who changed spec.replica.',
      ),
    )
  if (!state.isReplica || state.instance?.isPrimary === true)
    found.push(
      say(
        'not-a-replica',
        'blocker',
        `${state.cluster} is no replica of ${lost}: it has a history of its own`,
        'Find out who promoted it.',
      ),
    )
  if (state.instance?.replayPaused === true)
    found.push(
      say(
        'replay-paused',
        'blocker',
        `${state.cluster} does not replay: it is paused`,
        'SELECT pg_wal_replay_resume();',
      ),
    )
  for (const [name, digest] of Object.entries(state.secrets))
    if (digest === null)
      found.push(
        say(
          'secret-missing',
          'blocker',
          `the Secret ${component.spec.namespace}/${name} does not exist on ${intent.to}: after the promotion its role has no password`,
          'Create it.',
        ),
      )
  if (state.segmentBytes === null && state.instance !== null) found.push(segmentsUnknown(say, 'warning', state.cluster))
  if (state.upstream?.silent != null)
    found.push({
      ...say(
        'archive-silent',
        'warning',
        `the archive of ${lost} does not answer (${state.upstream.silent}): what it still holds is lost`,
      ),
      unanswered: true,
    })
  else if (state.upstream !== null && !state.upstream.closable)
    found.push(
      say(
        'archive-not-closable',
        'info',
        `no credentials are declared that may close the archive of ${lost}`,
        `Declare policyCredentials for ${intent.from} in ${component.spec.archive.store}.`,
      ),
    )
  return [...found, ...ofHole(lost, state.upstream?.beyond, say), ...ofFreshShipment(lost, state, assessment.now, say)]
}

/** What the lost site shipped, and no replica can replay. */
function ofHole(lost: string, beyond: string | undefined, say: Say): Finding[] {
  if (beyond === undefined) return []
  return [
    say(
      'archive-hole',
      'warning',
      `the archive of ${lost} has a hole: ${beyond}, and what follows it, cannot be replayed`,
      'Look for the missing segment, and put it into the archive, before you accept that loss.',
    ),
  ]
}

/** A database that lives and is written to ships at least this often. */
const FRESH: Milliseconds = seconds(30)

/**
 * For a follower without a stream this is the only sign of life of its primary. It is a warning and no liveness signal:
 * a site that died a moment ago has shipped just as lately, and a signal would hold its failover up, or make its plan
 * stale, while only time passes.
 */
function ofFreshShipment(
  lost: string,
  { instance, upstream, archiveTimeout }: CloudNativePgState,
  now: string,
  say: Say,
): Finding[] {
  if (upstream?.newest == null || instance?.isWalReceiverActive === true) return []
  const { at, segment } = upstream.newest
  // The store has a clock of its own: a shipment from the future is as fresh, and one from far ahead says nothing.
  const age = Math.abs(Date.parse(now) - Date.parse(at))
  if (!(age <= Math.min(FRESH, 2 * (archiveTimeout ?? FRESH)))) return []
  return [
    say(
      'archive-still-grows',
      'warning',
      `${lost} shipped ${segment} at ${at}, ${readableDuration(age)} before this look: if it did not die just then, it still writes`,
      'Look again in half a minute. If its archive has grown, the site is cut off and not dead: fence its database, or wait for its guard (fencing.failover: database).',
    ),
  ]
}

/**
 * What stands against a rejoin. The site is cloned anew from the active one, which must be well, have a backup and ship
 * its WAL. The former one only has to be reached. Pure.
 */
export function assessRejoin(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  assessment: Assessment,
): Finding[] {
  const found = findingsOfSite(component, intent.from, states, FOR_REJOIN, assessment)
  const [active, former] = [states[intent.from], states[intent.to]]
  const say = sayAt(component, intent.to)
  if (active?.kind === 'answering' && !mayWrite(active.state))
    found.push(
      sayAt(component, intent.from)(
        'passive-on-active-site',
        'blocker',
        `${active.state.cluster} is a replica: there is nothing to follow`,
        'Find out who changed spec.replica.',
      ),
    )
  if (former?.kind === 'silent')
    found.push({
      ...say(
        'database-silent',
        'blocker',
        `${clusterOf(component, intent.to)} on ${intent.to} cannot be read: ${former.why}`,
        'Bring the Kubernetes cluster of the site up first.',
      ),
      unanswered: true,
    })
  if (former?.kind === 'answering' && mayWrite(former.state))
    found.push(
      say(
        'former-primary',
        'warning',
        `${former.state.cluster} still calls itself a primary: it is fenced, its WAL is kept, and then it is deleted with its volumes`,
      ),
    )
  return found
}
