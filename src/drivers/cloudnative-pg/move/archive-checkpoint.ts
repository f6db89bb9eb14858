import type { Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { formatLsn, timelineIn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { clusterOfRun, type DatabaseRun, instanceOf, type OfCluster } from '../run.ts'
import { clusterShell, shipByHand } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { hasShipped, type Marked, shippedMark, shipWal } from './ship-wal.ts'

/** `promotion`: the step that made it primary, and proves its new timeline; null: none of this run. */
export const archiveCheckpointStep = (
  component: Database,
  site: SiteName,
  promotion: StepReference<OnTimeline> | null,
  more: { readonly phase?: Phase; readonly needs?: readonly StepReference<Proof>[] } = {},
): DriverStep<OfPromotion> =>
  planStep(archiveCheckpoint, site, {
    phase: 'PROTECT',
    title: `Sends a checkpoint to ${clusterOf(component, site)}: until its first one a restarted PostgreSQL does not look at archive_timeout`,
    deadline: minutes(2),
    expected: seconds(3),
    parameters: { cluster: clusterOf(component, site), promotion: promotion?.id ?? '' },
    ...more,
  })

type OfPromotion = OfCluster & {
  /** Id of the promotion; empty: none of this run. */
  readonly promotion: string
}
/** What each promotion proves. */
export interface OnTimeline extends Proof {
  readonly timeline: number
}
export interface CheckpointArchived extends Proof {
  /** Name of the newest archived segment. */
  readonly lastArchivedWal: string
  /** The end of the segment that holds the checkpoint: what follows this cluster must have replayed so far. */
  readonly settledLsn: string
}

export const archiveCheckpoint: Action<CloudNativePgSpec, OfPromotion, CheckpointArchived> = {
  name: 'archive-checkpoint',
  parameters: parametersOf<OfPromotion>({ cluster: TEXT, promotion: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: DatabaseRun<OfPromotion, Marked>) {
      const mark = shippedMark(run)
      if (mark === null) return { is: 'pending', waitingFor: 'a checkpoint after the promotion' }
      const promotion: StepReference<OnTimeline> = { id: run.step.parameters.promotion }
      const timeline = run.proofOf(promotion)?.timeline ?? 0
      const archived = (await instanceOf(run, await clusterOfRun(run)))?.lastArchivedWAL ?? ''
      if ((timelineIn(archived) ?? 0) >= timeline && hasShipped(archived, mark))
        return { is: 'done', proof: { lastArchivedWal: archived, settledLsn: formatLsn(mark.at) } }
      const where = timeline === 0 ? '' : ` on timeline ${timeline}`
      return { is: 'pending', waitingFor: `the WAL of its checkpoint${where} in the archive` }
    },
    apply: (run: DatabaseRun<OfPromotion, Marked>) => shipWal(run),
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step, around) =>
      shipByHand(clusterShell(component, { site: step.site, cluster: step.parameters.cluster }, around)),
  },
}
