import type { Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, type ClusterObject, HEALTHY } from '../objects.ts'
import {
  askSql,
  type ClusterRun,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  type OfCluster,
  peerOf,
} from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { archiveCheckpoint, type CheckpointArchived } from './archive-checkpoint.ts'
import { askArchiveAgain } from './leave-archive.ts'

export function followStep(
  component: Database,
  site: SiteName,
  primarySite: SiteName,
  phase: Phase,
): DriverStep<OfFollower> {
  const [cluster, primary] = [clusterOf(component, site), clusterOf(component, primarySite)]
  const settled = stepOf(component, archiveCheckpoint, primarySite)
  return planStep(follow, site, {
    phase,
    needs: [settled],
    title: `Waits until ${cluster} follows ${primary} on its timeline, with nothing missing`,
    deadline: minutes(10),
    expected: seconds(8),
    parameters: { cluster, primary, primarySite, settled: settled.id },
  })
}

export type OfFollower = OfCluster & {
  /** metadata.name of the Cluster that is followed. */
  readonly primary: string
  readonly primarySite: string
  /** Id of the step that archived a checkpoint of the primary. */
  readonly settled: string
}
export interface Following extends Proof {
  readonly timeline: number
  /** Position of the replica. */
  readonly replayed: string
  /** Position of the primary. */
  readonly primaryAt: string
}
type Run = DatabaseRun<OfFollower>

export const follow: Action<CloudNativePgSpec, OfFollower, Following> = {
  name: 'follow',
  parameters: parametersOf<OfFollower>({ cluster: TEXT, primary: TEXT, primarySite: TEXT, settled: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const progress = await hasFollowed(run, cluster, run.step.parameters)
      if (asksArchiveOf(cluster, run.step.parameters.primary)) return progress
      if (progress.is === 'pending' && runningFor(run) < BY_STREAM) return progress
      return { is: 'pending', waitingFor: `${cluster.metadata.name} to ask the archive again`, due: asSeen(cluster) }
    },
    apply: (run: Run, seen: AsSeen) => askArchiveAgain(run, seen, run.step.parameters.primary),
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { cluster, primary, primarySite } = step.parameters
      const { psql } = clusterShell(component, { site: step.site, cluster }, around)
      const ofPrimary = clusterShell(component, { site: primarySite, cluster: primary }, around)
      return {
        commands: [
          psql('SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()'),
          ofPrimary.psql('SELECT pg_current_wal_lsn()'),
          psql('CHECKPOINT', 'SELECT timeline_id FROM pg_control_checkpoint()'),
        ],
        expect:
          'The replica is in recovery, its position follows the one of the primary, and its timeline is that of the primary.',
      }
    },
  },
}

/** How long it may take by the stream alone. */
const BY_STREAM = seconds(15)

/** Whether a replica has all that its primary wrote up to the checkpoint after its promotion, on its timeline. */
export async function hasFollowed(
  run: ClusterRun,
  cluster: ClusterObject,
  { primary, primarySite, settled }: Omit<OfFollower, 'cluster'>,
): Promise<Seen<Following, never>> {
  const active = await peerOf(run, primarySite, primary)
  const replica = await instanceOf(run, cluster)
  const { name } = cluster.metadata
  if (active === null || replica === null || replica.isPrimary)
    return { is: 'pending', waitingFor: `${name} to come back as a replica` }
  // A mark that stands still: a primary that goes on writing is always a little ahead of a replica that is fed by the
  // archive.
  const checkpoint: StepReference<CheckpointArchived> = { id: settled }
  const mark = parseLsn(run.proofOf(checkpoint)?.settledLsn)
  const replayed = parseLsn(replica.replayLsn)
  if (mark === null || replayed === null || replayed < mark)
    return { is: 'pending', waitingFor: `${name} to replay what ${primary} wrote since it was promoted` }
  if (replica.timeLineID !== active.timeLineID && !(await replaysTimeline(run, active.timeLineID)))
    return {
      is: 'pending',
      waitingFor: `${name} to reach timeline ${active.timeLineID} (is on ${replica.timeLineID})`,
    }
  if (cluster.status?.phase !== HEALTHY)
    return { is: 'pending', waitingFor: `${name} to be healthy (${cluster.status?.phase})` }
  return {
    is: 'done',
    proof: { timeline: active.timeLineID, replayed: replica.replayLsn ?? '', primaryAt: active.currentLsn ?? '' },
  }
}

/** A replica writes its timeline down at its next restartpoint only: this asks for one. */
async function replaysTimeline(run: ClusterRun, timeline: number): Promise<boolean> {
  const [row] = (await askSql(run, 'CHECKPOINT; SELECT timeline_id FROM pg_control_checkpoint();')) ?? []
  return Number(row?.[0]) === timeline
}
