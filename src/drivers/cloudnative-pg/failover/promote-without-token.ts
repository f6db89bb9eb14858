import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import type { Varies } from '../../../driver/varying.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { forkFrom, forksIn, HISTORY } from '../../../systems/postgres/timeline-history.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { Json } from '../../../values/json.ts'
import { leftArchive, mayLeaveArchive } from '../move/leave-archive.ts'
import { refusal } from '../move/promote.ts'
import { clusterRef } from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'
import { countedLoss } from './loss.ts'

/** The replica becomes a primary without a word of the old one: what that one never shipped is lost, and counted. */
export function promoteLostStep(
  component: Database,
  intent: Intent,
  to: CloudNativePgState | null,
  from: CloudNativePgState | null,
): PlannedStep {
  const cluster = clusterOf(component, intent.to)
  return plannedStep(component, 'promote-without-token', intent.to, {
    phase: 'PROMOTE',
    needs: [stepId(component, 'drain-archive', intent.to)],
    irreversible: true,
    title: `Promotes ${cluster} without a token, waits until it is on a timeline of its own, and counts what was lost`,
    deadline: minutes(10),
    expected: seconds(8),
    parameters: {
      cluster,
      uid: to?.uid ?? '',
      lost: clusterOf(component, intent.from),
      drained: stepId(component, 'drain-archive', intent.to),
      closed: stepId(component, 'close-archive', intent.from),
      fenced: stepId(component, 'fence', intent.from),
      lastSeenAt: from?.instance?.currentLsn ?? null,
    },
  })
}

/** Where the lost primary was last seen, for the count of what was lost: it writes on, or was not heard for once. */
export const lastSeenVaries: Varies = (planned, now) => {
  const [then, since] = [positionIn(planned), positionIn(now)]
  return then !== undefined && since !== undefined && (then === null || since === null || then <= since)
}
/** undefined: no position at all. */
const positionIn = (value: Json | undefined): bigint | null | undefined =>
  value === null ? null : ((typeof value === 'string' ? parseLsn(value) : null) ?? undefined)

export const promoteWithoutToken: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const name = cluster.metadata.name
    const primary = cluster.spec.replica?.primary
    if (primary !== name)
      return {
        is: 'pending',
        waitingFor: `${name} to be told that it is the primary`,
        restsOn: { ...asSeen(cluster), uid: cluster.metadata.uid ?? '', follows: primary ?? null },
      }
    const refused = refusal(cluster)
    if (refused !== null)
      return {
        is: 'failed',
        code: 'promotion-refused',
        why: refused,
        next: `kubectl -n ${namespaceOf(run)} describe cluster ${name}`,
      }
    const instance = await instanceOf(run, cluster)
    const before = Number(run.proofOf(parameter(run.step, 'drained'))?.timeline ?? 0)
    if (instance?.isPrimary !== true || instance.timeLineID <= before)
      return { is: 'pending', waitingFor: `${name} to leave recovery` }
    const rows = await askSql(
      run,
      `SELECT 'state', pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint();\n${HISTORY}`,
    )
    const [, inRecovery, timeline] = rows?.find((row) => row[0] === 'state') ?? []
    if (rows === null || inRecovery !== 'f' || Number(timeline) <= before)
      return { is: 'pending', waitingFor: `${name} to say where its timeline began` }
    const fork = forkFrom(forksIn(rows), before)
    return {
      is: 'done',
      proof: {
        writable: true,
        timeline: Number(timeline),
        systemId: instance.systemID || cluster.status?.systemID || '',
        forkedFrom: fork?.timeline ?? before,
        forkedAt: fork?.at ?? '',
        loss: { ...countedLoss(run, fork?.at ?? '') },
      },
    }
  },

  /**
   * A token that is left over would be refused for good; without one the operator promotes at once, and looks at no
   * lag.
   */
  async apply(run) {
    const name = parameter(run.step, 'cluster')
    const { uid, follows } = run.restsOn ?? {}
    const where = `${run.step.site} ${namespaceOf(run)}/Cluster/${name}`
    if (uid !== parameter(run.step, 'uid'))
      throw siteError(
        'another-database',
        `${name} is not the cluster that the plan was made for (uid ${String(uid)})`,
        {
          where,
          next: 'Make a new plan.',
        },
      )
    if (follows !== parameter(run.step, 'lost'))
      throw siteError(
        'follows-another',
        `${name} follows ${String(follows ?? 'nobody')}, not ${parameter(run.step, 'lost')}`,
        {
          where,
          next: 'Find out who changed spec.replica, and make a new plan.',
        },
      )
    const { source, ...asking } = await archiveToAsk(run)
    await patchAsSeen(run, { spec: { replica: { primary: name, promotionToken: null, ...source }, ...asking } })
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  touch: touchCluster,
}

/**
 * A promotion asks its archive five times, one after the other, and PostgreSQL waits for each answer (4 s of a
 * failover, measured). An archive that was closed, and then drained, has nothing more to say: it is not asked where all
 * that a promotion reads lies in pg_wal. One that does not answer, or not this cluster, would hold it up for longer:
 * then the own archive is asked.
 */
async function archiveToAsk(
  run: Run,
): Promise<{ readonly source?: object; readonly externalClusters?: readonly object[] }> {
  const { archive, endIsHere } = run.proofOf(parameter(run.step, 'drained')) ?? {}
  if (archive === 'silent' || archive === 'stuck') return { source: { source: parameter(run.step, 'cluster') } }
  const nothingMore = archive === 'drained' && endIsHere === true && run.proofOf(parameter(run.step, 'closed')) !== null
  return nothingMore && (await mayLeaveArchive(run))
    ? leftArchive(run, await clusterOfRun(run), parameter(run.step, 'lost'))
    : {}
}
