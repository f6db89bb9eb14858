import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import type { DriverStep } from '../../../driver/kit/action.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { siteOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { partedText } from '../../../systems/postgres/fork-records.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { partedBy } from '../failover/parted.ts'
import { archivingAs, type ClusterObject, readCluster, serverNameOf } from '../objects.ts'
import { publishToFollowerStep } from '../rejoin/new-incarnation.ts'
import { refreshStreamingStep } from '../rejoin/refresh-streaming.ts'
import { type CloudNativePgSpec, clusterOf, type Database, follows } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { clusterOfRun, instanceOf, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'
import { followed } from './after-move.ts'

/**
 * Of a site that is neither end of a move. Behind a rejoin it learns where the site that came back archives, and how it
 * is streamed from.
 */
export function followerSteps(component: Database, follower: SiteName, intent: Intent): (PlannedStep | DriverStep)[] {
  if (intent.mode !== 'rejoin') return [redirectStep(component, follower, intent)]
  const streams = follows(component) === 'archive-and-streaming'
  return [
    publishToFollowerStep(component, follower, intent),
    ...(streams ? [refreshStreamingStep(component, intent, follower)] : []),
  ]
}

/** After a failover the record of where the old history ended decides whether a follower can go on. */
function redirectStep(component: Database, follower: SiteName, intent: Intent): PlannedStep {
  const [cluster, primary] = [clusterOf(component, follower), clusterOf(component, intent.to)]
  const settled = stepId(component, 'settle', intent.to)
  return plannedStep(component, 'redirect', follower, {
    phase: 'PROTECT',
    needs: [settled, ...(intent.mode === 'failover' ? [stepId(component, 'mark-fork', intent.from)] : [])],
    title: `Has ${cluster} follow ${primary} from now on, and waits until it does so on its timeline, with nothing missing`,
    deadline: minutes(3),
    expected: seconds(10),
    parameters: { cluster, primary, primarySite: intent.to, settled },
  })
}

/**
 * Part of the rejoin of a site that was left behind by a move, and has nothing that the active one lacks: it needs no
 * new copy.
 */
export function takeAlongStep(component: Database, intent: Intent): PlannedStep {
  const [cluster, primary] = [clusterOf(component, intent.to), clusterOf(component, intent.from)]
  return plannedStep(component, 'redirect', intent.to, {
    phase: 'START',
    title: `Has ${cluster} follow ${primary} from now on: it was left behind by a move, and has nothing that ${primary} lacks`,
    deadline: minutes(3),
    expected: seconds(1),
    parameters: { cluster, primary, primarySite: intent.from },
  })
}

/** How long a site may stay silent that a move can do without. */
const SILENT: number = seconds(20)

export const redirect: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    try {
      return await redirected(run)
    } catch (error) {
      const { retry, message } = asStandbyError(error)
      if (retry === 'never' || runningFor(run) < SILENT) throw error
      return {
        is: 'failed',
        code: 'site-silent',
        why: message,
        next: `When ${siteOf(run)} is back: standby deploy, which has it follow, or says that it must rejoin.`,
      }
    }
  },
  async apply(run) {
    const primary = parameter(run.step, 'primary')
    const replica = { primary, source: primary, promotionToken: null }
    await patchAsSeen(run, { spec: { replica, ...(await knowing(run, await clusterOfRun(run), primary)) } })
  },
  touch: touchCluster,
}

async function redirected(run: Run): Promise<Progress> {
  const cluster = await clusterOfRun(run)
  const name = cluster.metadata.name
  const primary = parameter(run.step, 'primary')
  const { replica } = cluster.spec
  if (replica?.primary === primary && replica.source === primary)
    return run.step.parameters.settled === undefined
      ? { is: 'done', proof: { follows: primary } }
      : followed(run, cluster)
  const instance = await instanceOf(run, cluster)
  if (replica?.primary === undefined || replica.primary === name || instance?.isPrimary === true)
    return { is: 'failed', code: 'not-a-replica', why: `${name} calls itself a primary`, next: rejoinOf(run) }
  if (instance?.replayLsn === undefined) return { is: 'pending', waitingFor: `${name} to say how far it is` }
  const fork = await partedBy(run.component, cluster, instance, run.context)
  return fork === null
    ? { is: 'pending', waitingFor: `${name} to be told to follow ${primary}`, restsOn: asSeen(cluster) }
    : { is: 'failed', code: 'history-forked', why: partedText(name, instance.replayLsn, fork), next: rejoinOf(run) }
}

const rejoinOf = (run: Run): string => `It must be cloned anew: standby failover plan --mode rejoin --to ${siteOf(run)}`

/** Under which name the new primary archives: a follower that missed its last rejoin knows an older one. */
async function knowing(run: Run, cluster: ClusterObject, primary: string): Promise<object> {
  const site = parameter(run.step, 'primarySite') as SiteName
  const active = await readCluster(run.context.kubernetes(site), namespaceOf(run), primary, run.signal)
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
