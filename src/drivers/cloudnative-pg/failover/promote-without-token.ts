import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { orNull, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { MeasuredLoss, Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastSeenVaries } from '../../../systems/postgres/last-seen-varies.ts'
import { forkFrom, forksIn, HISTORY } from '../../../systems/postgres/timeline-history.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { leftArchive, mayLeaveArchive } from '../move/leave-archive.ts'
import { promotionRefused } from '../move/promote.ts'
import type { ClusterObject } from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import {
  askSql,
  changesOfCluster,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  namespaceOf,
  type OfCluster,
  patchCluster,
} from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { type Closed, closeArchive } from './close-archive.ts'
import { type Drained, drainArchive } from './drain-archive.ts'
import { fence } from './fence.ts'
import { measuredLoss, type OfLoss } from './measured-loss.ts'

/** The replica becomes a primary without a token of the old one. What that one never shipped is lost, and measured. */
export function promoteLostStep(
  component: Database,
  intent: Intent,
  to: CloudNativePgState | null,
  from: CloudNativePgState | null,
): DriverStep<OfLostPromotion> {
  const cluster = clusterOf(component, intent.to)
  const drained = stepOf(component, drainArchive, intent.to)
  return planStep(promoteWithoutToken, intent.to, {
    phase: 'PROMOTE',
    needs: [drained],
    irreversible: true,
    title: `Promotes ${cluster} without a token, waits until it is on a timeline of its own, and counts what was lost`,
    deadline: minutes(10),
    expected: seconds(8),
    parameters: {
      cluster,
      uid: to?.uid ?? '',
      lost: clusterOf(component, intent.from),
      drained: drained.id,
      closed: stepOf(component, closeArchive, intent.from).id,
      fenced: stepOf(component, fence, intent.from).id,
      lastSeenAt: from?.instance?.currentLsn ?? null,
    },
  })
}

type OfLostPromotion = OfCluster &
  OfLoss & {
    /** metadata.uid of the Cluster that the plan was made for. */
    readonly uid: string
    /** metadata.name of the lost Cluster. */
    readonly lost: string
    /** Id of the step that closed the archive; a plan need not have it. */
    readonly closed: string
  }
/** Where the new history left the old one. */
export interface Forked extends Proof {
  readonly writable: true
  /** The new one. */
  readonly timeline: number
  readonly systemId: string
  /** The timeline that was left. */
  readonly forkedFrom: number
  /** LSN; empty where it is not known. */
  readonly forkedAt: string
  readonly loss: MeasuredLoss
}
/** `uid` of the Cluster that was seen, and the cluster that it `follows`. */
type Due = AsSeen & { readonly uid: string; readonly follows: string | null }
type Run = DatabaseRun<OfLostPromotion>

export const promoteWithoutToken: Action<CloudNativePgSpec, OfLostPromotion, Forked> = {
  name: 'promote-without-token',
  parameters: parametersOf<OfLostPromotion>({
    cluster: TEXT,
    uid: TEXT,
    lost: TEXT,
    drained: TEXT,
    closed: TEXT,
    fenced: TEXT,
    lastSeenAt: orNull(TEXT),
  }),
  varies: { lastSeenAt: lastSeenVaries },
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const { name, uid = '' } = cluster.metadata
      const follows = cluster.spec.replica?.primary ?? null
      return follows === name
        ? (promotionRefused(run, cluster) ?? hasForked(run, cluster))
        : { is: 'pending', waitingFor: `${name} to be made the primary`, due: { ...asSeen(cluster), uid, follows } }
    },
    /**
     * The operator would refuse a stale token for ever; without a token it promotes at once, at any lag.
     */
    async apply(run: Run, seen: Due) {
      const { cluster: name, uid, lost } = run.step.parameters
      const where = `${run.site} ${namespaceOf(run)}/Cluster/${name}`
      if (seen.uid !== uid)
        throw codes.error(
          'another-database',
          `${name} is not the cluster that the plan was made for (uid ${String(seen.uid)})`,
          { where, next: 'Make a new plan.', retry: 'never' },
        )
      if (seen.follows !== lost)
        throw codes.error('follows-another', `${name} follows ${seen.follows ?? 'no cluster'}, not ${lost}`, {
          where,
          next: 'Find out who changed spec.replica, and make a new plan.',
          retry: 'never',
        })
      const { source, ...asking } = await archiveToAsk(run)
      await patchCluster(run, seen, {
        spec: { replica: { primary: name, promotionToken: null, ...source }, ...asking },
      })
    },
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { cluster, lost } = step.parameters
      const { patch, psql } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [
          patch({ replica: { primary: cluster, promotionToken: null } }),
          psql('SELECT pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint()'),
        ],
        expect: 'PostgreSQL answers f, and a timeline above the one before.',
        never: `Do this before ${lost} is shut out as the plan demands, and the witness names the new site: it could still accept writes.`,
      }
    },
  },
}

const STATE = `SELECT 'state', pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint();\n${HISTORY}`

/** Whether it has left recovery, on a timeline of its own. */
async function hasForked(run: Run, cluster: ClusterObject): Promise<Seen<Forked, never>> {
  const { name } = cluster.metadata
  const instance = await instanceOf(run, cluster)
  const before = drainageOf(run)?.timeline ?? 0
  if (instance?.isPrimary !== true || instance.timeLineID <= before)
    return { is: 'pending', waitingFor: `${name} to leave recovery` }
  const rows = await askSql(run, STATE)
  const [, inRecovery, timeline] = rows?.find((row) => row[0] === 'state') ?? []
  if (rows === null || inRecovery !== 'f' || Number(timeline) <= before)
    return { is: 'pending', waitingFor: `${name} to report where its timeline began` }
  const fork = forkFrom(forksIn(rows), before)
  return {
    is: 'done',
    proof: {
      writable: true,
      timeline: Number(timeline),
      systemId: instance.systemID || cluster.status?.systemID || '',
      forkedFrom: fork?.timeline ?? before,
      forkedAt: fork?.at ?? '',
      loss: measuredLoss(run, fork?.at ?? ''),
    },
  }
}

function drainageOf(run: Run): Drained | null {
  const drained: StepReference<Drained> = { id: run.step.parameters.drained }
  return run.proofOf(drained)
}

/**
 * A promotion asks its archive five times, one after the other, and PostgreSQL waits for each answer (4 s of a
 * failover, measured). An archive that was closed, and then drained, has nothing more: it is not asked where all that a
 * promotion reads is in pg_wal. An archive that does not answer, or not this cluster, would delay the promotion for
 * longer: then the own archive is asked.
 */
async function archiveToAsk(
  run: Run,
): Promise<{ readonly source?: object; readonly externalClusters?: readonly object[] }> {
  const { cluster, lost, closed } = run.step.parameters
  const { archive, endIsHere } = drainageOf(run) ?? {}
  if (archive === 'silent' || archive === 'stuck') return { source: { source: cluster } }
  const closing: StepReference<Closed> = { id: closed }
  const hasNothingMore = archive === 'drained' && endIsHere === true && run.proofOf(closing) !== null
  return hasNothingMore && (await mayLeaveArchive(run)) ? leftArchive(run, await clusterOfRun(run), lost) : {}
}
