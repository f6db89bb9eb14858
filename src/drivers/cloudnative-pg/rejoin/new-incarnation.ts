import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain, StepReference, Versioned } from '../../../driver/behaviour.ts'
import { optional, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { clusterIsReady, declareCluster } from '../deploy/deploy.ts'
import { streamableFrom } from '../deploy/streaming.ts'
import { archivingAs, serverNameOf, serverNameOfPeer } from '../objects.ts'
import {
  changesOfCluster,
  clusterOfRun,
  type DatabaseRun,
  invalidateCluster,
  kubernetesOf,
  patchCluster,
  refOf,
  siteOf,
} from '../run.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { placeOf } from './place-of-run.ts'

export type Clone = {
  /** The Cluster that is made. */
  readonly cluster: string
  /** The site that it copies. */
  readonly activeSite: string
  /** The incarnation under which it archives. */
  readonly serverName: string
}
export interface Cloned extends Proof {
  readonly serverName: string
  readonly phase: string
  readonly readyInstances: number
}

/**
 * A new incarnation, made as a deploy makes a first replica: from a base backup of the active site, with all WAL after
 * it.
 */
export function cloneStep(
  component: Database,
  intent: Intent,
  serverName: string,
  needs: readonly StepReference<Proof>[],
): DriverStep<Clone> {
  const [active, passive] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(clone, intent.to, {
    phase: 'START',
    needs: [stepOf(component, publishServerName, intent.from), ...needs],
    title: `Clones ${passive} from the newest backup of ${active}; it archives as ${serverName}, apart from its former history`,
    // As long as the copy of a large database takes.
    deadline: minutes(240),
    expected: seconds(40),
    parameters: { cluster: passive, activeSite: intent.from, serverName },
  })
}

const cloning: Plain<CloudNativePgSpec, Clone, Cloned> = {
  is: 'plain',
  async done(run) {
    const { cluster, serverName } = run.step.parameters
    const live = await kubernetesOf(run).get(refOf(run), { signal: run.signal })
    if (live === null) return { is: 'pending', waitingFor: `${cluster} to be made` }
    const archivesAs = serverNameOf(await clusterOfRun(run))
    if (archivesAs !== serverName)
      return {
        is: 'failed',
        code: codes.code['archive-forked'],
        why: `${cluster} archives as ${archivesAs}: it is the former incarnation`,
        next: 'Plan the rejoin again.',
      }
    const ready = await clusterIsReady(placeOf(run), run.signal)
    return ready.is === 'done' ? { is: 'done', proof: { ...ready.proof, serverName } } : ready
  },
  async apply(run) {
    const place = placeOf(run)
    const streaming = await streamableFrom(place, run.signal)
    const serverNames = { [siteOf(run)]: run.step.parameters.serverName }
    const declared = await declareCluster(place, streaming, run.signal, serverNames)
    await kubernetesOf(run).apply(declared.object, { force: true, signal: run.signal })
  },
  changes: changesOfCluster,
  back: { is: 'irreversible' },
}

export const clone: Action<CloudNativePgSpec, Clone, Cloned> = {
  name: 'clone',
  parameters: parametersOf<Clone>({ cluster: TEXT, activeSite: TEXT, serverName: TEXT }),
  behaviour: cloning,
  byHand: 'none',
}

export type PublishServerName = {
  /** The Cluster that is given the name. */
  readonly cluster: string
  /** The Cluster that archives under it. */
  readonly peer: string
  /** The name, where the planner knows it. */
  readonly serverName?: string
  /** Otherwise the step whose proof has it. */
  readonly clone?: string
}
interface Published extends Proof {
  readonly serverName: string
}

/** The active cluster is given the name under which the other one will archive: it follows that name after a move. */
export const publishServerNameStep = (
  component: Database,
  intent: Intent,
  serverName: string,
): DriverStep<PublishServerName> => {
  const [active, passive] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(publishServerName, intent.from, {
    phase: 'START',
    title: `Tells ${active} that ${passive} archives as ${serverName} from now on`,
    deadline: minutes(2),
    expected: seconds(0.5),
    parameters: { cluster: active, peer: passive, serverName },
  })
}

/** A third site is given the same name, in case it follows that cluster later. */
export function publishToFollowerStep(
  component: Database,
  follower: SiteName,
  intent: Intent,
): DriverStep<PublishServerName> {
  const [cluster, passive] = [clusterOf(component, follower), clusterOf(component, intent.to)]
  const cloned = stepOf(component, clone, intent.to)
  return planStep(publishServerName, follower, {
    phase: 'PROTECT',
    needs: [cloned],
    title: `Tells ${cluster} under which name ${passive} archives from now on`,
    deadline: minutes(1),
    expected: seconds(0.5),
    parameters: { cluster, peer: passive, clone: cloned.id },
  })
}

const publishing: Versioned<CloudNativePgSpec, PublishServerName, Published, AsSeen> = {
  is: 'versioned',
  async done(run) {
    const { cluster: name, peer } = run.step.parameters
    const cluster = await clusterOfRun(run)
    const known = serverNameOfPeer(cluster, peer)
    return known !== null && known === newName(run)
      ? { is: 'done', proof: { serverName: known } }
      : { is: 'pending', waitingFor: `${name} to be given the name`, due: asSeen(cluster) }
  },
  async apply(run, seen) {
    const { peer } = run.step.parameters
    const cluster = await clusterOfRun(run)
    const externalClusters = (cluster.spec.externalClusters ?? []).map((external) =>
      external.name === peer ? archivingAs(external, newName(run)) : external,
    )
    // The patch replaces the whole list. The server refuses it where the list has changed since it was seen.
    await patchCluster(run, seen, { spec: { externalClusters } })
  },
  invalidate: invalidateCluster,
  back: { is: 'irreversible' },
}

/** As the plan has it, or as the clone of this run proved it. */
function newName(run: DatabaseRun<PublishServerName>): string {
  const { clone: step, serverName } = run.step.parameters
  const reference: StepReference<Cloned> | null = step === undefined ? null : { id: step }
  const name = (reference === null ? null : run.proofOf(reference)?.serverName) ?? serverName
  if (name === undefined) throw new Error(`${run.step.id} has no parameter serverName`)
  return name
}

export const publishServerName: Action<CloudNativePgSpec, PublishServerName, Published> = {
  name: 'publish-server-name',
  parameters: parametersOf<PublishServerName>({
    cluster: TEXT,
    peer: TEXT,
    serverName: optional(TEXT),
    clone: optional(TEXT),
  }),
  behaviour: publishing,
  byHand: 'none',
}
