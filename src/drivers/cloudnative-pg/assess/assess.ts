import type { BySite } from '../../../domain/observed.ts'
import type { Finding, Intent } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { partedText } from '../../../systems/postgres/fork-records.ts'
import { farthestSegments, gapBetween, segmentBytesOfPair } from '../../../systems/postgres/server-position.ts'
import { parseLsn, parseSegment, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { sayAt } from '../codes.ts'
import type { InstanceStatus } from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import { positionOf } from '../position.ts'
import { type Database, follows, siteOfCluster } from '../spec.ts'
import { ofSettingsOfPair, segmentsUnknown } from './assess-settings.ts'
import { findingsOfSite } from './assess-site.ts'
import { FOR_STATUS, FOR_SWITCHOVER } from './severities.ts'

/** What is wrong with the clusters of all sites as they stand. Pure. */
export const assessStatus = (
  component: Database,
  states: BySite<CloudNativePgState>,
  assessment: Assessment,
): Finding[] => findingsOfAll(component, states, null, assessment)

/** What stands against a switchover. Pure. */
export const assessSwitchover = (
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  assessment: Assessment,
): Finding[] => findingsOfAll(component, states, intent, assessment)

function findingsOfAll(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const severities = intent === null ? FOR_STATUS : FOR_SWITCHOVER
  return [
    ...assessment.stack.sites.flatMap(({ name }) => findingsOfSite(component, name, states, severities, assessment)),
    ...ofPair(component, states, intent, assessment),
  ]
}

/**
 * Whether a replica is on its primary's timeline, regardless of its control file: it streams, and has replayed the
 * newest segment that the primary shipped on that timeline.
 */
function hasReplayedTimelineOf(source: InstanceStatus, target: InstanceStatus, segments: SegmentBytes | null): boolean {
  const shipped = segments === null ? null : parseSegment(source.lastArchivedWAL ?? '', segments)
  const replayed = parseLsn(target.replayLsn)
  return (
    target.isWalReceiverActive === true &&
    shipped?.timeline === source.timeLineID &&
    replayed !== null &&
    replayed >= shipped.end
  )
}

function ofPair(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const active = assessment.stack.sites.find((site) => site.name === assessment.activeSite)?.name
  const source = active === undefined ? undefined : states[active]
  if (active === undefined || source?.kind !== 'answering') return []
  const severity = intent === null ? 'warning' : 'blocker'
  return assessment.stack.sites.flatMap((site): Finding[] => {
    const seen = states[site.name]
    if (site.name === active || seen?.kind !== 'answering' || (intent !== null && intent.to !== site.name)) return []
    const say = sayAt(component, site.name)
    const [from, to] = [source.state, seen.state]
    const found: Finding[] = []
    const segments = segmentBytesOfPair(from, to)
    for (const [name, digest] of Object.entries(from.secrets))
      if (to.secrets[name] !== undefined && (digest === null || to.secrets[name] !== digest))
        found.push(
          say(
            'secrets-differ',
            severity,
            `the Secret ${component.spec.namespace}/${name} ${digest === null || to.secrets[name] === null ? 'does not exist everywhere' : `is not the same on ${active} and ${site.name}`}: after a move logins would fail`,
            `Copy it from ${active} to ${site.name}.`,
          ),
        )
    if (from.systemId !== null && to.systemId !== null && from.systemId !== to.systemId)
      found.push(
        say(
          'another-database',
          severity,
          `${to.cluster} has the system id ${to.systemId}, ${from.cluster} has ${from.systemId}: it is no copy`,
          `Find out which of the two holds your data before anything is cloned: a failover to ${site.name} goes on with what ${to.cluster} has.`,
        ),
      )
    if (to.parted !== null)
      found.push(
        say(
          'history-forked',
          severity,
          partedText(to.cluster, to.instance?.replayLsn, to.parted),
          `It must be cloned anew: standby failover plan --mode rejoin --to ${site.name}`,
        ),
      )
    else if (to.replica !== null && to.replica.primary !== from.cluster && to.isReplica)
      found.push(
        say(
          'follows-another',
          severity,
          `${to.cluster} follows ${to.replica.primary}, not ${from.cluster}`,
          siteOfCluster(component, to.replica.primary) === null
            ? 'Find out who changed spec.replica.'
            : `If a move left it behind: standby deploy has it follow ${from.cluster}.`,
        ),
      )
    if (from.instance !== null && to.instance !== null && to.instance.timeLineID > from.instance.timeLineID)
      found.push(
        say(
          'history-forked',
          severity,
          `${to.cluster} is on timeline ${to.instance.timeLineID}, ahead of timeline ${from.instance.timeLineID} of ${from.cluster}: their histories parted`,
          'Clone it again; keep its archive until a person has checked the data that is only there.',
        ),
      )
    else if (from.instance !== null && to.instance !== null && to.instance.timeLineID < from.instance.timeLineID)
      found.push(
        say(
          'timelines-differ',
          // The control file of a replica has the timeline from its next restartpoint on; the first step of a move
          // proves that it follows.
          hasReplayedTimelineOf(from.instance, to.instance, segments) ? 'info' : 'warning',
          `${to.cluster} is on timeline ${to.instance.timeLineID}, ${from.cluster} on ${from.instance.timeLineID}`,
          'Its next restartpoint shows it (CHECKPOINT on it helps). If it does not follow, clone it again.',
        ),
      )
    if (to.instance?.replayPaused === true)
      found.push(
        say('replay-paused', severity, `${to.cluster} does not replay: it is paused`, 'SELECT pg_wal_replay_resume();'),
      )
    if (follows(component) === 'archive-and-streaming' && to.instance?.isWalReceiverActive === false)
      found.push(
        say(
          'not-streaming',
          'warning',
          `${to.cluster} follows by the archive only; streaming is declared`,
          `Look at the copied Secrets and at the way from ${site.name} to ${active}.`,
        ),
      )
    found.push(...ofSettingsOfPair(from, to, severity, say))
    const gap = gapBetween(positionOf(from), positionOf(to), assessment.now)
    if (segments === null && from.instance !== null && to.instance !== null)
      found.push(segmentsUnknown(say, severity, to.cluster))
    if (segments !== null && gap.segments !== null && gap.segments > farthestSegments(segments))
      found.push(
        say(
          'too-far-behind',
          severity,
          `${to.cluster} is ${gap.segments} segments behind`,
          'Wait until it has caught up.',
        ),
      )
    return found
  })
}
