import type { BySite } from '../../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import { backupSteps } from '../backup/backup.ts'
import { fenceStep } from '../failover/fence.ts'
import { followStep, scheduleStep, settleStep } from '../move/after-move.ts'
import { takeAlongStep } from '../move/redirect.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database, firstServerName, follows, nextServerName, siteOfCluster } from '../spec.ts'
import { stepId } from '../steps.ts'
import { cloneStep, refreshStreamingStep, tellServerNameStep } from './clone.ts'
import { keepEvidenceStep } from './keep-evidence.ts'
import { removeClusterStep } from './remove-cluster.ts'

/**
 * The former active site becomes a passive one: what only it has is kept, its cluster is deleted and cloned anew under
 * the next incarnation, and the end is a replica with nothing missing and a backup of the new topology. A cluster that
 * is gone is cloned at once; one that follows already, or only was left behind by a move, keeps its incarnation, and
 * only the rest is done.
 */
export function rejoinSteps(component: Database, states: BySite<CloudNativePgState>, intent: Intent): PlannedStep[] {
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
  const removed = clearing.length === 0 ? [] : [stepId(component, 'remove-cluster', intent.to)]
  const along = leftBehind ? [takeAlongStep(component, intent)] : []
  const settled = settleStep(component, intent.from, '', 'GREEN')
  const clone = cloneStep(component, intent, serverName, [...removed, ...along.map(({ id }) => id)])
  return [
    ...clearing,
    tellServerNameStep(component, intent, serverName),
    ...along,
    clone,
    { ...settled, needs: [clone.id] },
    followStep(component, intent.to, intent.from, 'GREEN'),
    ...(follows(component) === 'archive-and-streaming' ? [refreshStreamingStep(component, intent)] : []),
    ...(component.spec.schedule === undefined ? [] : [scheduleStep(component, intent.to, true)]),
    ...backupSteps(component, intent.from),
  ]
}

const stateAt = (states: BySite<CloudNativePgState>, site: string): CloudNativePgState | null => {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}

/**
 * A replica of the active side in deed; or one that is being made under the very name that the active side knows. None
 * amid its demotion, nor with an archive that a failover closed: it could ship nothing any more.
 */
function isFollower(former: CloudNativePgState, active: string, known: string | null): boolean {
  if (!former.isReplica || former.inProgress || former.forked || former.replica?.primary !== active) return false
  return former.instance === null ? former.serverName === known : !former.instance.isPrimary
}

/**
 * A follower of a site that is passive by now: it was silent when that one was left, and has nothing that the active
 * one lacks.
 */
function isLeftBehind(component: Database, former: CloudNativePgState, { from, to }: Intent): boolean {
  const followed = former.replica?.primary ?? null
  if (followed === null || [from, to].some((site) => clusterOf(component, site) === followed)) return false
  const replicates = former.isReplica && !former.inProgress && former.instance?.isPrimary === false
  return replicates && !former.forked && former.parted === null && siteOfCluster(component, followed) !== null
}
