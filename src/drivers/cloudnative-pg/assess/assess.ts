import type { BySite } from '../../../observation/observation.ts'
import type { Assessment } from '../../../planning/driver.ts'
import type { Finding, Intent } from '../../../planning/plan.ts'
import type { SiteName } from '../../../stack/stack.ts'
import { HEALTHY, type InstanceStatus } from '../objects.ts'
import { type CloudNativePgState, FARTHEST_SEGMENTS, gapBetween } from '../observe.ts'
import { clusterOf, type Database, follows } from '../spec.ts'
import { parseLsn, parseSegment } from '../wal.ts'
import { ofArchives } from './assess-archives.ts'
import { ofVersions } from './assess-versions.ts'

/** The restart after a promotion locks new sessions out for as long as an old one stays (measured: 179 s with the default of 180). */
const LONGEST_SMART_SHUTDOWN = 5

/** What stands against a move, or should be known anyway. */
export function assessClusters(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const sites = assessment.stack.sites.map((site) => site.name)
  const severity = intent === null ? 'warning' : 'blocker'
  return [
    ...sites.flatMap((site) => findingsOfSite(component, site, states, severity, assessment)),
    ...ofPair(component, states, intent, assessment),
  ]
}

/** What is wrong with one site's cluster by itself. A move needs all of it to be right; a status only tells. */
export function findingsOfSite(
  component: Database,
  site: SiteName,
  states: BySite<CloudNativePgState>,
  severity: 'warning' | 'blocker',
  assessment: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const say = sayAt(component, site)
  const name = clusterOf(component, site)
  if (seen.kind !== 'answering')
    return [
      say('database-silent', severity, `${name} on ${site} can not be read: ${seen.why}`, 'Deploy it, or look at its Kubernetes cluster.'),
    ]
  const state = seen.state
  const found: Finding[] = []
  if (state.fenced)
    found.push(
      say(
        'database-fenced',
        severity,
        `${name} is fenced`,
        'Remove the annotation cnpg.io/fencedInstances if the fence is no longer wanted.',
      ),
    )
  if (state.hibernated)
    found.push(say('database-hibernated', severity, `${name} is hibernated`, 'Wake it: annotation cnpg.io/hibernation: off.'))
  // Phase and Ready say "healthy" for a cluster that was cut off, fenced, or holds a used token: the instance itself is asked too.
  if (state.instance === null)
    found.push(say('database-not-answering', severity, `the primary instance of ${name} does not answer`, `kubectl cnpg status ${name}`))
  else if (state.phase !== HEALTHY && !usedToken(state))
    found.push(
      say(
        'database-not-healthy',
        severity,
        `${name} says: ${state.phase}${state.phaseReason === '' ? '' : ` (${state.phaseReason})`}`,
        `kubectl cnpg status ${name}`,
      ),
    )
  if (state.readyInstances < state.instances)
    found.push(say('database-not-ready', severity, `${state.readyInstances} of ${state.instances} instances of ${name} are ready`))
  if (usedToken(state))
    found.push(
      say(
        'promotion-token-left',
        severity,
        `${name} is a primary and still has the token that promoted it: the operator stops reconciling it`,
        `kubectl patch cluster ${name} --type merge -p '{"spec":{"replica":{"promotionToken":null}}}'`,
      ),
    )
  if (state.inProgress)
    found.push(
      say('database-switching', severity, `${name} is in the middle of a demotion`, 'Wait for it, or resume the run that began it.'),
    )
  if (state.currentPrimary !== state.targetPrimary)
    found.push(say('local-switchover', severity, `${name} is switching over inside ${site}`, 'Wait until it is done.'))
  found.push(...ofArchives(state, severity, say, assessment.now))
  if (state.minApplyDelay)
    found.push(
      say(
        'delayed-replica',
        severity,
        `${name} has minApplyDelay: it excludes a promotion token, and a failover would wait for what is not replayed yet`,
        'Remove spec.replica.minApplyDelay.',
      ),
    )
  if (state.smartShutdownTimeout > LONGEST_SMART_SHUTDOWN)
    found.push(
      say(
        'smart-shutdown-slow',
        'warning',
        `smartShutdownTimeout of ${name} is ${state.smartShutdownTimeout} s: after a promotion one open session locks all new ones out for so long`,
        'Set smartShutdownTimeout: 0 in the cluster file and deploy.',
      ),
    )
  if (state.primaryUpdate.strategy === 'supervised')
    found.push(
      say(
        'restart-supervised',
        severity,
        `${name} has primaryUpdateStrategy: supervised: after a promotion it waits for a person, and archives nothing`,
        'Remove it from the cluster file and deploy.',
      ),
    )
  if (state.primaryUpdate.method !== 'restart')
    found.push(
      say(
        'restart-by-switchover',
        'warning',
        `${name} has primaryUpdateMethod: ${state.primaryUpdate.method}: a promotion is followed by a second one, to another instance`,
        'Set primaryUpdateMethod: restart in the cluster file and deploy.',
      ),
    )
  found.push(...ofVersions(state, say))
  if (state.unfinishedBackup !== null)
    found.push(
      say(
        'backup-running',
        severity === 'warning' ? 'info' : 'blocker',
        `the backup ${state.unfinishedBackup} of ${name} is not finished`,
        'Wait for it, or delete it if it hangs.',
      ),
    )
  return [...found, ...ofBackups(component, site, state, assessment)]
}

function ofBackups(component: Database, site: SiteName, state: CloudNativePgState, assessment: Assessment): Finding[] {
  if (site !== assessment.activeSite) return []
  const say = sayAt(component, site)
  if (state.lastBackup === null)
    return [
      say(
        'no-backup',
        'warning',
        `${state.cluster} has no completed backup in its archive ${state.serverName ?? ''}`,
        'Run: standby backup',
      ),
    ]
  const age = Date.parse(assessment.now) - Date.parse(state.lastBackup.at)
  return age > assessment.objectives.backupAge
    ? [
        say(
          'backup-old',
          'warning',
          `the last backup of ${state.cluster} ended at ${state.lastBackup.at}`,
          'Look at its ScheduledBackup, or run: standby backup',
        ),
      ]
    : []
}

/** A replica that streams, and has replayed the newest segment that its primary shipped on its timeline, is on that timeline, whatever it has written down. */
function hasReplayedTimelineOf(source: InstanceStatus, target: InstanceStatus): boolean {
  const shipped = parseSegment(source.lastArchivedWAL ?? '')
  const replayed = parseLsn(target.replayLsn)
  return target.isWalReceiverActive === true && shipped?.timeline === source.timeLineID && replayed !== null && replayed >= shipped.end
}

function ofPair(component: Database, states: BySite<CloudNativePgState>, intent: Intent | null, assessment: Assessment): Finding[] {
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
          'Clone it again.',
        ),
      )
    if (to.replica !== null && to.replica.primary !== from.cluster && to.isReplica)
      found.push(
        say(
          'follows-another',
          severity,
          `${to.cluster} follows ${to.replica.primary}, not ${from.cluster}`,
          'Find out who changed spec.replica.',
        ),
      )
    if (from.instance !== null && to.instance !== null && to.instance.timeLineID > from.instance.timeLineID)
      found.push(
        say(
          'history-forked',
          severity,
          `${to.cluster} is on timeline ${to.instance.timeLineID}, ahead of timeline ${from.instance.timeLineID} of ${from.cluster}: their histories parted`,
          'Clone it again; keep its archive until somebody has looked at what is only there.',
        ),
      )
    else if (from.instance !== null && to.instance !== null && to.instance.timeLineID < from.instance.timeLineID)
      found.push(
        say(
          'timelines-differ',
          // A replica writes its timeline down at its next restartpoint only; the first step of a move proves that it follows.
          hasReplayedTimelineOf(from.instance, to.instance) ? 'info' : 'warning',
          `${to.cluster} is on timeline ${to.instance.timeLineID}, ${from.cluster} on ${from.instance.timeLineID}`,
          'Its next restartpoint shows it (CHECKPOINT on it helps). If it does not follow, clone it again.',
        ),
      )
    if (to.instance?.replayPaused === true)
      found.push(say('replay-paused', severity, `${to.cluster} does not replay: it is paused`, 'SELECT pg_wal_replay_resume();'))
    if (follows(component) === 'archive-and-streaming' && to.instance?.isWalReceiverActive === false)
      found.push(
        say(
          'not-streaming',
          'warning',
          `${to.cluster} follows by the archive only; streaming is declared`,
          `Look at the copied Secrets and at the way from ${site.name} to ${active}.`,
        ),
      )
    const gap = gapBetween(from.instance, to.instance, assessment.now)
    if (gap.segments !== null && gap.segments > FARTHEST_SEGMENTS)
      found.push(say('too-far-behind', severity, `${to.cluster} is ${gap.segments} segments behind`, 'Wait until it has caught up.'))
    return found
  })
}

/** A token on a running primary is judged again and again, and refused: PostgreSQL stays writable, the operator stops. */
const usedToken = (state: CloudNativePgState): boolean => state.promotionToken !== null && state.instance?.isPrimary === true

/** A finding of this component at a site. */
export type Say = (code: string, severity: Finding['severity'], what: string, next?: string) => Finding

export const sayAt =
  (component: Database, site: SiteName): Say =>
  (code, severity, what, next) => ({
    code,
    severity,
    component: component.name,
    site,
    what,
    ...(next === undefined ? {} : { next }),
  })
