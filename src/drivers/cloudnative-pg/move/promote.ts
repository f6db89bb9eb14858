import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriterOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { DIRECTION } from '../left-of-switch.ts'
import { asksArchiveOf, type ClusterObject, clusterRef } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { clusterOfRun, instanceOf, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'
import { tokenOf } from './catch-up.ts'
import { archiveAgain, leftArchive, mayLeaveArchive } from './leave-archive.ts'
import { decodeToken } from './token.ts'

/** The replica becomes the primary; it is ready for clients when it has restarted (`restart.ts`). */
export function promoteStep(component: Database, intent: Intent): PlannedStep {
  const to = clusterOf(component, intent.to)
  return plannedStep(component, 'promote', intent.to, {
    phase: 'PROMOTE',
    needs: [stepId(component, 'catch-up', intent.to)],
    irreversible: true,
    title: `Promotes ${to} with the token of the old primary, and waits until it has left recovery`,
    deadline: minutes(5),
    expected: seconds(8),
    parameters: {
      cluster: to,
      demotion: stepId(component, 'demote', intent.from),
      caughtUp: stepId(component, 'catch-up', intent.to),
      peer: clusterOf(component, intent.from),
    },
  })
}

export const promote: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const { text, token } = tokenOf(run)
    const name = cluster.metadata.name
    const again = run.applied ? { takenBackBy: lastWriterOf(cluster, DIRECTION) } : {}
    if (cluster.spec.replica?.primary !== name) {
      // Written back after it was promoted: its operator demotes it, refuses every direction meanwhile, and leaves a
      // token of its own in the end.
      if (cluster.status?.switchReplicaClusterStatus?.inProgress === true)
        return {
          is: 'pending',
          waitingFor: `the demotion of ${name} to end, which ${lastWriterOf(cluster, DIRECTION)} has begun`,
        }
      const own = cluster.status?.lastPromotionToken === text ? cluster.status.demotionToken : undefined
      return {
        is: 'pending',
        waitingFor: `${name} to be told that it is the primary`,
        restsOn: {
          ...asSeen(cluster),
          asksArchive: asksArchiveOf(cluster, parameter(run.step, 'peer')),
          token: own ?? text,
        },
        ...again,
      }
    }
    const refused = refusal(cluster)
    if (refused !== null)
      return {
        is: 'failed',
        code: 'promotion-refused',
        why: refused,
        next: `kubectl -n ${namespaceOf(run)} describe cluster ${name}`,
      }
    const { promotionToken = '' } = cluster.spec.replica
    // One of a later timeline is the token that the new side left itself, when somebody made it a replica again for a
    // while.
    const given = (decodeToken(promotionToken)?.timeline ?? 0) > token.timeline ? promotionToken : text
    if (cluster.status?.lastPromotionToken !== given)
      return {
        is: 'pending',
        waitingFor: `${name} to accept the token`,
        ...(promotionToken === given ? {} : { restsOn: { ...asSeen(cluster), token: text }, ...again }),
      }
    const instance = await instanceOf(run, cluster)
    if (instance?.isPrimary !== true || instance.timeLineID <= token.timeline)
      return { is: 'pending', waitingFor: `${name} to leave recovery` }
    return {
      is: 'done',
      proof: {
        writable: true,
        timeline: instance.timeLineID,
        systemId: instance.systemID ?? token.systemId,
        token: text,
      },
    }
  },
  async apply(run) {
    const name = parameter(run.step, 'cluster')
    // One patch: primary without token in a first patch would be an instant failover, and the old side would have to be
    // cloned again.
    const replica = {
      primary: name,
      promotionToken: typeof run.restsOn?.token === 'string' ? run.restsOn.token : tokenOf(run).text,
    }
    await patchAsSeen(run, { spec: { replica, ...(await archiveToAsk(run)) } })
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  touch: touchCluster,
}

/**
 * A promotion asks no archive where all that it reads lies in pg_wal; where something does not, it asks, for a history
 * without its begin is no history.
 */
async function archiveToAsk(run: Run): Promise<object> {
  const endIsHere = run.proofOf(parameter(run.step, 'caughtUp'))?.endIsHere === true
  if (endIsHere !== run.restsOn?.asksArchive || (endIsHere && !(await mayLeaveArchive(run)))) return {}
  return (endIsHere ? leftArchive : archiveAgain)(run, await clusterOfRun(run), parameter(run.step, 'peer'))
}

/**
 * The operator's word for a token that it will never accept; Ready stays True and PostgreSQL stays up all the while.
 */
export function refusal(cluster: ClusterObject): string | null {
  const { phase = '', phaseReason = '' } = cluster.status ?? {}
  return phase.startsWith('Cluster is unrecoverable') ? `${cluster.metadata.name}: ${phase} (${phaseReason})` : null
}
