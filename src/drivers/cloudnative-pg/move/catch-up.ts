import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { holdsEnd, parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, type ClusterObject } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, type Run, touchCluster } from '../where.ts'
import { askArchiveAgain } from './leave-archive.ts'
import { type DemotionToken, decodeToken } from './token.ts'

/** Nothing is promoted before it has replayed the old primary's very last write. */
export function catchUpStep(component: Database, intent: Intent): PlannedStep {
  const to = clusterOf(component, intent.to)
  return plannedStep(component, 'catch-up', intent.to, {
    phase: 'FINAL_SYNC',
    needs: [stepId(component, 'demote', intent.from)],
    title: `Waits until ${to} has replayed the last write of ${clusterOf(component, intent.from)}, exactly to the byte that its token names`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: {
      cluster: to,
      demotion: stepId(component, 'demote', intent.from),
      peer: clusterOf(component, intent.from),
    },
  })
}

/** The token that the demotion of this run left. */
export function tokenOf(run: Run): { readonly text: string; readonly token: DemotionToken } {
  const text = run.proofOf(parameter(run.step, 'demotion'))?.token
  const token = typeof text === 'string' ? decodeToken(text) : null
  if (typeof text !== 'string' || token === null) throw new Error(`${run.step.id}: the demotion left no token`)
  return { text, token }
}

/** The segment by PostgreSQL's own word for it, whatever its size. */
const WHERE_IT_IS = `CHECKPOINT;
SELECT redo_lsn, timeline_id, (SELECT system_identifier FROM pg_control_system()), redo_wal_file, (SELECT string_agg(name, ' ') FROM pg_ls_waldir())
FROM pg_control_checkpoint();`

/** A stream delivers the end within a second of it, or it broke: then the archive has it. */
const PATIENCE = seconds(5)

export const catchUp: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const progress = await caughtUp(run, cluster)
    const late = runningFor(run) >= PATIENCE
    const left = !asksArchiveOf(cluster, parameter(run.step, 'peer'))
    return progress.is === 'pending' && late && left ? { ...progress, restsOn: asSeen(cluster) } : progress
  },
  apply: (run) => askArchiveAgain(run, parameter(run.step, 'peer')),
  touch: touchCluster,
}

async function caughtUp(run: Run, cluster: ClusterObject): Promise<Progress> {
  const { token } = tokenOf(run)
  const replayed = parseLsn((await instanceOf(run, cluster))?.replayLsn)
  // Cheap question first: each SQL costs a process on the site that is to be promoted.
  if (replayed === null || replayed <= token.redo)
    return { is: 'pending', waitingFor: `${cluster.metadata.name} to replay up to ${token.redoText}` }
  // The operator compares with the last restartpoint, after a forced checkpoint; so do we, before anything is patched.
  const rows = await askSql(run, WHERE_IT_IS)
  if (rows === null) return { is: 'pending', waitingFor: `${cluster.metadata.name} to answer` }
  const [[redo = '', timelineId, systemId = '', segment = '', files = ''] = []] = rows
  const timeline = Number(timelineId)
  return compare(
    token,
    { redo, timeline, systemId, endIsHere: holdsEnd(files, segment, timeline) },
    cluster.metadata.name,
  )
}

export function compare(
  token: DemotionToken,
  now: { readonly redo: string; readonly timeline: number; readonly systemId: string; readonly endIsHere: boolean },
  cluster: string,
) {
  const redo = parseLsn(now.redo)
  if (now.systemId !== token.systemId)
    return {
      is: 'failed',
      code: 'another-database',
      why: `${cluster} has the system id ${now.systemId}, the token is of ${token.systemId}`,
    } as const
  if (redo === null || redo < token.redo || now.timeline < token.timeline)
    return { is: 'pending', waitingFor: `${cluster} to checkpoint at ${token.redoText} (is at ${now.redo})` } as const
  if (redo > token.redo || now.timeline > token.timeline)
    return {
      is: 'failed',
      code: 'replica-ahead-of-token',
      why: `${cluster} is at ${now.redo} on timeline ${now.timeline}, beyond the token's ${token.redoText} on timeline ${token.timeline}: a promotion would be refused for good`,
      next: 'The old primary is started again. Find out what wrote to the replica.',
    } as const
  return { is: 'done', proof: { ...now } } as const
}
