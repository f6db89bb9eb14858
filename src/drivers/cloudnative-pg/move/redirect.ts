import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { optional, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { partedText } from '../../../systems/postgres/fork-records.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { markFork } from '../failover/mark-fork.ts'
import { partedBy } from '../failover/parted.ts'
import { archivingAs, type ClusterObject, readCluster, serverNameOf } from '../objects.ts'
import { publishToFollowerStep } from '../rejoin/new-incarnation.ts'
import { refreshStreamingStep } from '../rejoin/refresh-streaming.ts'
import {
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  namespaceOf,
  type OfCluster,
  patchCluster,
  siteNamed,
  siteOf,
} from '../run.ts'
import { type CloudNativePgSpec, clusterOf, type Database, follows } from '../spec.ts'
import { archiveCheckpoint } from './archive-checkpoint.ts'
import { type Following, hasFollowed } from './follow.ts'

/**
 * Of a site that is neither end of a move. After a rejoin it learns where the site that came back archives, and how it
 * is streamed from.
 */
export function followerSteps(component: Database, follower: SiteName, intent: Intent): DriverStep[] {
  if (intent.mode !== 'rejoin') return [redirectStep(component, follower, intent)]
  const streams = follows(component) === 'archive-and-streaming'
  return [
    publishToFollowerStep(component, follower, intent),
    ...(streams ? [refreshStreamingStep(component, intent, follower)] : []),
  ]
}

/** After a failover the record of where the old history ended decides whether a follower can go on. */
function redirectStep(component: Database, follower: SiteName, intent: Intent): DriverStep<OfRedirection> {
  const [cluster, primary] = [clusterOf(component, follower), clusterOf(component, intent.to)]
  const settled = stepOf(component, archiveCheckpoint, intent.to)
  return planStep(redirect, follower, {
    phase: 'PROTECT',
    needs: [settled, ...(intent.mode === 'failover' ? [stepOf(component, markFork, intent.from)] : [])],
    title: `Has ${cluster} follow ${primary} from now on, and waits until it does so on its timeline, with nothing missing`,
    deadline: minutes(3),
    expected: seconds(10),
    parameters: { cluster, primary, primarySite: intent.to, settled: settled.id },
  })
}

/**
 * Part of the rejoin of a site that a move did not reach, and that has nothing that the active one lacks: it needs no
 * new copy.
 */
export function takeAlongStep(component: Database, intent: Intent): DriverStep<OfRedirection> {
  const [cluster, primary] = [clusterOf(component, intent.to), clusterOf(component, intent.from)]
  return planStep(redirect, intent.to, {
    phase: 'START',
    title: `Has ${cluster} follow ${primary} from now on: it was left behind by a move, and has nothing that ${primary} lacks`,
    deadline: minutes(3),
    expected: seconds(1),
    parameters: { cluster, primary, primarySite: intent.from },
  })
}

type OfRedirection = OfCluster & {
  /** metadata.name of the Cluster that is followed from now on. */
  readonly primary: string
  readonly primarySite: string
  /** Id of the step that archived a checkpoint of the primary; absent: only the direction is changed. */
  readonly settled?: string
}
type Redirected = Following | (Proof & { readonly follows: string })
type Run = DatabaseRun<OfRedirection>

export const redirect: Action<CloudNativePgSpec, OfRedirection, Redirected> = {
  name: 'redirect',
  parameters: parametersOf<OfRedirection>({
    cluster: TEXT,
    primary: TEXT,
    primarySite: TEXT,
    settled: optional(TEXT),
  }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      try {
        return await redirected(run)
      } catch (error) {
        const { retry, message } = asStandbyError(error)
        if (retry === 'never' || runningFor(run) < PATIENCE) throw error
        return {
          is: 'failed',
          code: 'site-silent',
          why: message,
          next: `When ${siteOf(run)} is back: standby deploy, which has it follow, or says that it must rejoin.`,
        }
      }
    },
    async apply(run: Run, seen: AsSeen) {
      const { primary } = run.step.parameters
      const replica = { primary, source: primary, promotionToken: null }
      await patchCluster(run, seen, { spec: { replica, ...(await knowing(run, await clusterOfRun(run))) } })
    },
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: 'none',
}

/** How long a site may stay silent that a move can do without. */
const PATIENCE: number = seconds(20)

async function redirected(run: Run): Promise<Seen<Redirected, AsSeen>> {
  const cluster = await clusterOfRun(run)
  const { name } = cluster.metadata
  const { primary, primarySite, settled } = run.step.parameters
  const { replica } = cluster.spec
  if (replica?.primary === primary && replica.source === primary)
    return settled === undefined
      ? { is: 'done', proof: { follows: primary } }
      : hasFollowed(run, cluster, { primary, primarySite, settled })
  const instance = await instanceOf(run, cluster)
  if (replica?.primary === undefined || replica.primary === name || instance?.isPrimary === true)
    return {
      is: 'failed',
      code: codes.code['not-a-replica'],
      why: `${name} calls itself a primary`,
      next: rejoinOf(run),
    }
  if (instance?.replayLsn === undefined) return { is: 'pending', waitingFor: `${name} to report its position` }
  const fork = await partedBy(run.component, cluster, instance, run.context)
  return fork === null
    ? { is: 'pending', waitingFor: `${name} to follow ${primary}`, due: asSeen(cluster) }
    : {
        is: 'failed',
        code: codes.code['history-forked'],
        why: partedText(name, instance.replayLsn, fork),
        next: rejoinOf(run),
      }
}

const rejoinOf = (run: Run): string => `It must be cloned anew: standby failover plan --mode rejoin --to ${siteOf(run)}`

/** Under which name the new primary archives: a follower that missed its last rejoin knows an older one. */
async function knowing(run: Run, cluster: ClusterObject): Promise<object> {
  const { primary, primarySite } = run.step.parameters
  const kubernetes = run.context.platform(KUBERNETES, siteNamed(run, primarySite))
  const active = await readCluster(kubernetes, namespaceOf(run), primary, run.signal)
  const serverName = active === null ? null : serverNameOf(active)
  const { externalClusters = [] } = cluster.spec
  return serverName === null
    ? {}
    : {
        externalClusters: externalClusters.map((external) =>
          external.name === primary ? archivingAs(external, serverName) : external,
        ),
      }
}
