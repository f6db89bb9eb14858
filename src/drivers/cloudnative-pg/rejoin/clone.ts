import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import type { Deployment, DeployUnit, Role } from '../../../driver/deployment.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { clusterIsReady, declareCluster } from '../deploy/deploy.ts'
import type { Place } from '../deploy/place.ts'
import { streamableFrom, streamingUnit } from '../deploy/streaming.ts'
import { archivingAs, clusterRef, serverNameOf, serverNameOfPeer } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { clusterOfRun, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'

/**
 * The active cluster learns under which name the other one will archive: it would follow that name after the next move.
 */
export function tellServerNameStep(component: Database, intent: Intent, serverName: string): PlannedStep {
  const [active, passive] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'tell-server-name', intent.from, {
    phase: 'START',
    title: `Tells ${active} that ${passive} archives as ${serverName} from now on`,
    deadline: minutes(2),
    expected: seconds(0.5),
    parameters: { cluster: active, peer: passive, serverName },
  })
}

/** A third site learns the same, for the day on which it follows that cluster. */
export function tellFollowerStep(component: Database, follower: SiteName, intent: Intent): PlannedStep {
  const [cluster, passive] = [clusterOf(component, follower), clusterOf(component, intent.to)]
  const clone = stepId(component, 'clone', intent.to)
  return plannedStep(component, 'tell-server-name', follower, {
    phase: 'PROTECT',
    needs: [clone],
    title: `Tells ${cluster} under which name ${passive} archives from now on`,
    deadline: minutes(1),
    expected: seconds(0.5),
    parameters: { cluster, peer: passive, clone },
  })
}

/** As the plan has it, or as the clone of this run says. */
const newName = (run: Run): string => {
  const { clone } = run.step.parameters
  const proven = typeof clone === 'string' ? run.proofOf(clone)?.serverName : undefined
  return typeof proven === 'string' ? proven : parameter(run.step, 'serverName')
}

export const tellServerName: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const known = serverNameOfPeer(cluster, parameter(run.step, 'peer'))
    return known === newName(run)
      ? { is: 'done', proof: { serverName: known } }
      : {
          is: 'pending',
          waitingFor: `${parameter(run.step, 'cluster')} to be given the name`,
          restsOn: asSeen(cluster),
        }
  },
  async apply(run) {
    const cluster = await clusterOfRun(run)
    const externalClusters = (cluster.spec.externalClusters ?? []).map((external) =>
      external.name === parameter(run.step, 'peer') ? archivingAs(external, newName(run)) : external,
    )
    // The list is replaced as a whole. Should it have changed since it was seen, this is refused.
    await patchAsSeen(run, { spec: { externalClusters } })
  },
  touch: touchCluster,
}

/**
 * A new incarnation, made as a deploy makes a first replica: from a base backup of the active side, with all WAL behind
 * it.
 */
export function cloneStep(
  component: Database,
  intent: Intent,
  serverName: string,
  needs: readonly string[],
): PlannedStep {
  const [active, passive] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'clone', intent.to, {
    phase: 'START',
    needs: [stepId(component, 'tell-server-name', intent.from), ...needs],
    title: `Clones ${passive} from the newest backup of ${active}; it archives as ${serverName}, apart from its former history`,
    // As long as the copy of a large database takes.
    deadline: minutes(240),
    expected: seconds(40),
    parameters: { cluster: passive, activeSite: intent.from, serverName },
  })
}

export const clone: Behaviour<CloudNativePgSpec> = {
  async done(run): Promise<Progress> {
    const place = placeOf(run, siteOf(run))
    const live = await kubernetesOf(run).get(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), {
      signal: run.signal,
    })
    if (live === null) return { is: 'pending', waitingFor: `${parameter(run.step, 'cluster')} to be made` }
    const serverName = serverNameOf(await clusterOfRun(run))
    if (serverName !== parameter(run.step, 'serverName'))
      return {
        is: 'failed',
        code: 'archive-forked',
        why: `${parameter(run.step, 'cluster')} archives as ${serverName}: it is the former incarnation`,
        next: 'Plan the rejoin again.',
      }
    const ready = await clusterIsReady(place, run.signal)
    return ready.is === 'done' ? { is: 'done', proof: { ...ready.proof, serverName } } : ready
  },
  async apply(run) {
    const place = placeOf(run, siteOf(run))
    const serverName = parameter(run.step, 'serverName')
    const streaming = await streamableFrom(place, run.signal)
    const declared = await declareCluster(place, streaming, run.signal, { [siteOf(run)]: serverName })
    await kubernetesOf(run).apply(declared.object, { force: true, signal: run.signal })
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
}

/**
 * A new cluster has a new authority: the other sides get its certificates, or they could not follow it by streaming
 * after the next move.
 */
export function refreshStreamingStep(component: Database, intent: Intent, site: SiteName = intent.from): PlannedStep {
  const [cluster, passive] = [clusterOf(component, site), clusterOf(component, intent.to)]
  return plannedStep(component, 'refresh-streaming', site, {
    phase: 'PROTECT',
    needs: [stepId(component, 'clone', intent.to)],
    title: `Copies the new streaming certificates of ${passive} to ${cluster}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { cluster, activeSite: intent.from },
  })
}

export const refreshStreaming: Behaviour<CloudNativePgSpec> = unitBehaviour((run) =>
  streamingUnit(placeOf(run, siteOf(run)), [run.intent?.to ?? siteOf(run)]),
)

/** A unit of a deploy as a step of a move. */
function unitBehaviour(unitOf: (run: Run) => DeployUnit): Behaviour<CloudNativePgSpec> {
  return {
    async done(run) {
      const unit = unitOf(run)
      const differs = await unit.diff(run.signal)
      return differs.length > 0
        ? { is: 'pending', waitingFor: differs.map(({ object }) => object).join(', ') }
        : unit.ready(run.signal)
    },
    apply: (run) => unitOf(run).apply(run.signal),
  }
}

function placeOf(run: Run, site: SiteName): Place {
  const activeSite = parameter(run.step, 'activeSite') as SiteName
  const roleOf = (one: SiteName): Role => (one === activeSite ? 'active' : 'passive')
  const deployment: Deployment = { activeSite, roleOf, observed: {}, epoch: null, adopt: false }
  return { component: run.component, site, deployment, context: { ...run.context, signal: run.signal } }
}
