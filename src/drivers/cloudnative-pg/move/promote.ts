import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriterOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { DIRECTION } from '../left-of-switch.ts'
import { asksArchiveOf, type ClusterObject } from '../objects.ts'
import {
  changesOfCluster,
  clusterOfRun,
  type DatabaseRun,
  type Failed,
  instanceOf,
  invalidateCluster,
  patchCluster,
} from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { type CaughtUp, catchUp, type OfToken, tokenOf } from './catch-up.ts'
import { demote } from './demote.ts'
import { archiveAgain, leftArchive, mayLeaveArchive } from './leave-archive.ts'
import { decodeToken } from './token.ts'

/** The replica becomes the primary. It is ready for clients when it has restarted (`restart.ts`). */
export function promoteStep(component: Database, intent: Intent): DriverStep<OfPromotion> {
  const to = clusterOf(component, intent.to)
  const caughtUp = stepOf(component, catchUp, intent.to)
  return planStep(promote, intent.to, {
    phase: 'PROMOTE',
    needs: [caughtUp],
    irreversible: true,
    title: `Promotes ${to} with the token of the old primary, and waits until it has left recovery`,
    deadline: minutes(5),
    expected: seconds(8),
    parameters: {
      cluster: to,
      demotion: stepOf(component, demote, intent.from).id,
      caughtUp: caughtUp.id,
      peer: clusterOf(component, intent.from),
    },
  })
}

type OfPromotion = OfToken & {
  /** Id of the step that waited until the cluster had replayed everything. */
  readonly caughtUp: string
}
export interface Promoted extends Proof {
  readonly writable: true
  /** The new one. */
  readonly timeline: number
  readonly systemId: string
  readonly token: string
}
/** `token`: the one to be given; `asksArchive`: whether the cluster asks the archive of the old primary. */
type Due = AsSeen & { readonly token: string; readonly asksArchive?: boolean }
type Run = DatabaseRun<OfPromotion>

export const promote: Action<CloudNativePgSpec, OfPromotion, Promoted> = {
  name: 'promote',
  parameters: parametersOf<OfPromotion>({ cluster: TEXT, demotion: TEXT, caughtUp: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const { text, token } = tokenOf(run)
      const { name } = cluster.metadata
      const again = run.applied ? { revertedBy: lastWriterOf(cluster, DIRECTION) } : {}
      if (cluster.spec.replica?.primary !== name) {
        // Written back after the promotion: its operator demotes it, refuses every direction meanwhile, and leaves a
        // token of its own in the end.
        if (cluster.status?.switchReplicaClusterStatus?.inProgress === true)
          return {
            is: 'pending',
            waitingFor: `the demotion of ${name} to end, which ${lastWriterOf(cluster, DIRECTION)} has begun`,
          }
        const own = cluster.status?.lastPromotionToken === text ? cluster.status.demotionToken : undefined
        const asksArchive = asksArchiveOf(cluster, run.step.parameters.peer)
        return {
          is: 'pending',
          waitingFor: `${name} to be made the primary`,
          due: { ...asSeen(cluster), asksArchive, token: own ?? text },
          ...again,
        }
      }
      const refused = promotionRefused(run, cluster)
      if (refused !== null) return refused
      const { promotionToken = '' } = cluster.spec.replica
      // A token of a later timeline is one that the new side left itself, when it was made a replica again for
      // a while.
      const given = (decodeToken(promotionToken)?.timeline ?? 0) > token.timeline ? promotionToken : text
      if (cluster.status?.lastPromotionToken !== given)
        return {
          is: 'pending',
          waitingFor: `${name} to accept the token`,
          ...(promotionToken === given ? {} : { due: { ...asSeen(cluster), token: text }, ...again }),
        }
      const instance = await instanceOf(run, cluster)
      if (instance?.isPrimary !== true || instance.timeLineID <= token.timeline)
        return { is: 'pending', waitingFor: `${name} to leave recovery` }
      const systemId = instance.systemID ?? token.systemId
      return { is: 'done', proof: { writable: true, timeline: instance.timeLineID, systemId, token: text } }
    },
    async apply(run: Run, seen: Due) {
      // One patch: the primary without the token in a first patch would be an instant failover, and the old side would
      // have to be cloned again.
      const replica = { primary: run.step.parameters.cluster, promotionToken: seen.token }
      await patchCluster(run, seen, { spec: { replica, ...(await archiveToAsk(run, seen)) } })
    },
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { cluster } = step.parameters
      const { get, patchWith, psql } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [
          patchWith(
            `"{\\"spec\\":{\\"replica\\":{\\"primary\\":\\"${cluster}\\",\\"promotionToken\\":\\"$TOKEN\\"}}}"`,
          ),
          `${get('{.status.lastPromotionToken}')}   # must be $TOKEN`,
          psql('SELECT pg_is_in_recovery()'),
        ],
        expect: 'The last promotion token is yours, and PostgreSQL answers f: it left recovery.',
        never:
          'Send primary and token in two patches: the first alone is a failover, and the old site would have to be cloned anew.',
      }
    },
  },
}

/**
 * A promotion asks no archive where all that it reads is in pg_wal. Where something is not, it asks: a history without
 * its beginning is no history.
 */
async function archiveToAsk(run: Run, seen: Due): Promise<object> {
  const { caughtUp, peer } = run.step.parameters
  const sync: StepReference<CaughtUp> = { id: caughtUp }
  const endIsHere = run.proofOf(sync)?.endIsHere === true
  if (endIsHere !== seen.asksArchive || (endIsHere && !(await mayLeaveArchive(run)))) return {}
  return (endIsHere ? leftArchive : archiveAgain)(run, await clusterOfRun(run), peer)
}

/** The failure of a promotion that the operator will never carry out; null where it may. */
export function promotionRefused(run: DatabaseRun, cluster: ClusterObject): Failed | null {
  const why = refusal(cluster)
  const { name, namespace } = { ...cluster.metadata, namespace: run.component.spec.namespace }
  return why === null
    ? null
    : {
        is: 'failed',
        code: codes.code['promotion-refused'],
        why,
        next: `kubectl -n ${namespace} describe cluster ${name}`,
      }
}

/** How the operator says so: Ready stays True and PostgreSQL stays up all the while. Pure. */
export function refusal(cluster: ClusterObject): string | null {
  const { phase = '', phaseReason = '' } = cluster.status ?? {}
  return phase.startsWith('Cluster is unrecoverable') ? `${cluster.metadata.name}: ${phase} (${phaseReason})` : null
}
