import type { BySite } from '../../../domain/observed.ts'
import type { Intent } from '../../../domain/plan.ts'
import { type DriverStep, stepOf } from '../../../driver/action.ts'
import { backupSteps } from '../backup/backup.ts'
import { fenceStep } from '../failover/fence.ts'
import { archiveCheckpointStep } from '../move/archive-checkpoint.ts'
import { followStep } from '../move/follow.ts'
import { redirect, takeAlongStep } from '../move/redirect.ts'
import { scheduleSteps } from '../move/schedule.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database, firstServerName, follows, nextServerName, siteOfCluster } from '../spec.ts'
import { keepEvidenceStep } from './keep-evidence.ts'
import { clone, cloneStep, publishServerNameStep } from './new-incarnation.ts'
import { refreshStreamingStep } from './refresh-streaming.ts'
import { removeCluster, removeClusterStep } from './remove-cluster.ts'

/**
 * The former active site becomes a passive one. What only it has is kept, its cluster is deleted and cloned anew under
 * the next incarnation, and the end is a replica with nothing missing and a backup of the new topology. A cluster that
 * is gone is cloned at once. One that follows already, or that a move only did not reach, keeps its incarnation: only
 * the other steps are planned. Pure.
 */
export function rejoinSteps(component: Database, states: BySite<CloudNativePgState>, intent: Intent): DriverStep[] {
  const [active, former] = [stateAt(states, intent.from), stateAt(states, intent.to)]
  const cluster = clusterOf(component, intent.to)
  const known = active?.peers[cluster] ?? null
  const leftBehind = former !== null && isLeftBehind(component, former, intent)
  const following = former !== null && (leftBehind || isFollower(former, clusterOf(component, intent.from), known))
  const used = [former?.serverName, known, firstServerName(cluster)].filter((name) => typeof name === 'string')
  const serverName = following
    ? (former.serverName ?? known ?? firstServerName(cluster))
    : nextServerName(cluster, used)
  const clearing =
    former === null || following
      ? []
      : [
          fenceStep(component, intent.to, former.uid),
          keepEvidenceStep(component, intent, former.serverName ?? firstServerName(cluster), former.uid),
          removeClusterStep(component, intent, former.uid),
        ]
  const removed = clearing.length === 0 ? [] : [stepOf(component, removeCluster, intent.to)]
  const redirected = leftBehind ? [stepOf(component, redirect, intent.to)] : []
  const cloned = stepOf(component, clone, intent.to)
  return [
    ...clearing,
    publishServerNameStep(component, intent, serverName),
    ...(leftBehind ? [takeAlongStep(component, intent)] : []),
    cloneStep(component, intent, serverName, [...removed, ...redirected]),
    archiveCheckpointStep(component, intent.from, null, { phase: 'GREEN', needs: [cloned] }),
    followStep(component, intent.to, intent.from, 'GREEN'),
    ...(follows(component) === 'archive-and-streaming' ? [refreshStreamingStep(component, intent)] : []),
    ...scheduleSteps(component, intent.to, true),
    ...backupSteps(component, intent.from),
  ]
}

const stateAt = (states: BySite<CloudNativePgState>, site: string): CloudNativePgState | null => {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}

/**
 * Whether it replicates the active cluster, or is being made under the name that the active cluster knows. Not amid its
 * demotion, and not with an archive that a failover closed: it could ship nothing any more.
 */
function isFollower(former: CloudNativePgState, active: string, known: string | null): boolean {
  if (!former.isReplica || former.inProgress || former.forked || former.replica?.primary !== active) return false
  return former.instance === null ? former.serverName === known : !former.instance.isPrimary
}

/**
 * Whether it follows a site that is passive by now: it was silent when the move left that site, and has nothing that
 * the active one lacks.
 */
function isLeftBehind(component: Database, former: CloudNativePgState, { from, to }: Intent): boolean {
  const followed = former.replica?.primary ?? null
  if (followed === null || [from, to].some((site) => clusterOf(component, site) === followed)) return false
  const replicates = former.isReplica && !former.inProgress && former.instance?.isPrimary === false
  return replicates && !former.forked && former.parted === null && siteOfCluster(component, followed) !== null
}
