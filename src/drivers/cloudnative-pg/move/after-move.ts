import type { Intent, Phase, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asSeen, onlyAsSeen, touchObject } from '../../../platform/kubernetes/compare-and-set.ts'
import { formatLsn, parseLsn, timelineIn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, type ClusterObject, HEALTHY, SCHEDULED_BACKUP } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, namespaceOf, patchAsSeen, peerOf, type Run, touchCluster } from '../where.ts'
import { archiveAgain, askArchiveAgain } from './leave-archive.ts'
import { hasShipped, shippedMark, shipWal } from './ship-wal.ts'

/**
 * What is still to do once users are served: wake the archiver, let the old side follow, clear the token, turn the
 * schedules round.
 */
export function afterMoveSteps(component: Database, intent: Intent): PlannedStep[] {
  const to = clusterOf(component, intent.to)
  return [
    settleStep(component, intent.to, stepId(component, 'promote', intent.to)),
    followStep(component, intent.from, intent.to, 'PROTECT'),
    plannedStep(component, 'clear-token', intent.to, {
      phase: 'PROTECT',
      title: `Clears the used token of ${to}: left on a live primary it stops the operator`,
      deadline: minutes(2),
      expected: seconds(1),
      parameters: { cluster: to, peer: clusterOf(component, intent.from) },
    }),
    ...(component.spec.schedule === undefined
      ? []
      : [scheduleStep(component, intent.to, false), scheduleStep(component, intent.from, true)]),
  ]
}

/** `promotion`: the step that made it primary, and names its new timeline. */
export function settleStep(
  component: Database,
  site: SiteName,
  promotion: string,
  phase: Phase = 'PROTECT',
): PlannedStep {
  const cluster = clusterOf(component, site)
  return plannedStep(component, 'settle', site, {
    phase,
    title: `Sends a checkpoint to ${cluster}: until its first one a restarted PostgreSQL does not look at archive_timeout`,
    deadline: minutes(2),
    expected: seconds(3),
    parameters: { cluster, promotion },
  })
}

export function followStep(component: Database, site: SiteName, primarySite: SiteName, phase: Phase): PlannedStep {
  const [cluster, primary] = [clusterOf(component, site), clusterOf(component, primarySite)]
  const settled = stepId(component, 'settle', primarySite)
  return plannedStep(component, 'follow', site, {
    phase,
    needs: [settled],
    title: `Waits until ${cluster} follows ${primary} on its timeline, with nothing missing`,
    deadline: minutes(10),
    expected: seconds(8),
    parameters: { cluster, primary, primarySite, settled },
  })
}

export function scheduleStep(component: Database, site: SiteName, suspend: boolean): PlannedStep {
  const cluster = clusterOf(component, site)
  return plannedStep(component, 'schedule', site, {
    phase: 'PROTECT',
    title: `${suspend ? 'Suspends' : 'Resumes'} the scheduled backups of ${cluster}`,
    deadline: minutes(1),
    expected: seconds(0.2),
    parameters: { cluster, suspend },
  })
}

export const settle: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const mark = shippedMark(run)
    if (mark === null) return { is: 'pending', waitingFor: 'a checkpoint after the promotion' }
    const timeline = Number(run.proofOf(parameter(run.step, 'promotion'))?.timeline ?? 0)
    const instance = await instanceOf(run, await clusterOfRun(run))
    const archived = instance?.lastArchivedWAL ?? ''
    return (timelineIn(archived) ?? 0) < timeline || !hasShipped(archived, mark)
      ? {
          is: 'pending',
          waitingFor: `the WAL of its checkpoint${timeline === 0 ? '' : ` on timeline ${timeline}`} in the archive`,
        }
      : { is: 'done', proof: { lastArchivedWal: archived, settledLsn: formatLsn(mark.at) } }
  },
  apply: shipWal,
}

/** How long it may take by the stream alone. */
const BY_STREAM = seconds(15)

export const follow: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const progress = await followed(run, cluster)
    if (asksArchiveOf(cluster, parameter(run.step, 'primary'))) return progress
    const late = runningFor(run) >= BY_STREAM
    if (progress.is === 'pending' && !late) return progress
    return { is: 'pending', waitingFor: `${cluster.metadata.name} to ask the archive again`, restsOn: asSeen(cluster) }
  },
  apply: (run) => askArchiveAgain(run, parameter(run.step, 'primary')),
  touch: touchCluster,
}

/** Whether a replica has all that its primary wrote up to the checkpoint behind its promotion, on its timeline. */
export async function followed(run: Run, cluster: ClusterObject): Promise<Progress> {
  const primary = await peerOf(run, parameter(run.step, 'primarySite'), parameter(run.step, 'primary'))
  const replica = await instanceOf(run, cluster)
  const name = cluster.metadata.name
  if (primary === null || replica === null || replica.isPrimary)
    return { is: 'pending', waitingFor: `${name} to come back as a replica` }
  // A mark that stands still: a primary that goes on writing is always a little ahead of a replica that is fed by the
  // archive.
  const mark = parseLsn(String(run.proofOf(parameter(run.step, 'settled'))?.settledLsn ?? ''))
  const replayed = parseLsn(replica.replayLsn)
  if (mark === null || replayed === null || replayed < mark)
    return {
      is: 'pending',
      waitingFor: `${name} to replay what ${parameter(run.step, 'primary')} wrote since it was promoted`,
    }
  if (replica.timeLineID !== primary.timeLineID && !(await replaysTimeline(run, primary.timeLineID)))
    return {
      is: 'pending',
      waitingFor: `${name} to reach timeline ${primary.timeLineID} (is on ${replica.timeLineID})`,
    }
  if (cluster.status?.phase !== HEALTHY)
    return { is: 'pending', waitingFor: `${name} to be healthy (${cluster.status?.phase})` }
  return {
    is: 'done',
    proof: { timeline: primary.timeLineID, replayed: replica.replayLsn ?? '', primaryAt: primary.currentLsn ?? '' },
  }
}

/** The timeline of a replica is only written down at its next restartpoint: ask for one. */
async function replaysTimeline(run: Run, timeline: number): Promise<boolean> {
  const [row] = (await askSql(run, 'CHECKPOINT; SELECT timeline_id FROM pg_control_checkpoint();')) ?? []
  return Number(row?.[0]) === timeline
}

export const clearToken: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    if (cluster.spec.replica?.promotionToken || !asksArchiveOf(cluster, parameter(run.step, 'peer')))
      return {
        is: 'pending',
        waitingFor: `the token of ${cluster.metadata.name} to be cleared`,
        restsOn: asSeen(cluster),
      }
    return cluster.status?.phase === HEALTHY
      ? { is: 'done', proof: { promotionToken: null, phase: HEALTHY } }
      : { is: 'pending', waitingFor: `${cluster.metadata.name} to be healthy (${cluster.status?.phase ?? 'no phase'})` }
  },
  async apply(run) {
    const archive = archiveAgain(run, await clusterOfRun(run), parameter(run.step, 'peer'))
    await patchAsSeen(run, { spec: { replica: { promotionToken: null }, ...archive } })
  },
  touch: touchCluster,
}

/**
 * Base backups are taken of the active site: a passive one can not be asked for the manifest that restores are judged
 * against.
 */
export const schedule: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const found = await kubernetesOf(run).get(scheduleRef(run), { signal: run.signal })
    if (found === null) return { is: 'done', proof: { schedule: null } }
    const suspended = (found.spec as { suspend?: boolean }).suspend ?? false
    return suspended === run.step.parameters.suspend
      ? { is: 'done', proof: { suspended } }
      : { is: 'pending', waitingFor: `the schedule of ${parameter(run.step, 'cluster')}`, restsOn: asSeen(found) }
  },
  async apply(run) {
    await kubernetesOf(run).patch(
      scheduleRef(run),
      { spec: { suspend: run.step.parameters.suspend === true } },
      onlyAsSeen(run),
    )
  },
  touch: (run) => touchObject(kubernetesOf(run), scheduleRef(run), run.signal),
}

const scheduleRef = (run: Run) => ({
  ...SCHEDULED_BACKUP,
  namespace: namespaceOf(run),
  name: parameter(run.step, 'cluster'),
})
