import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { unlessForbidden } from '../../../platform/kubernetes/unless-forbidden.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { archiveName, noArchiveName } from '../deploy/manifests.ts'
import { asksArchiveOf, type ClusterObject, OBJECT_STORE } from '../objects.ts'
import {
  type ClusterRun,
  changesOfCluster,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  kubernetesOf,
  namespaceOf,
  type OfPair,
  patchCluster,
} from '../run.ts'
import { archiveMethod, type CloudNativePgSpec, clusterOf, type Database, follows, siteOfCluster } from '../spec.ts'

/**
 * During a move the clusters do not ask the archive for what the other one wrote. Left alone, a replica whose primary
 * shuts down asks again and again; while it leaves recovery it asks four or five times more, one after the other; and a
 * cluster that comes back as a replica asks first of all: for files that are in pg_wal already, or that the stream
 * brings. Each question starts Python, and PostgreSQL waits for its end.
 *
 * The entry of the other cluster names a store whose keys do not exist (`deploy.ts`), so that the plugin answers
 * "nothing" before any Python starts (wal.go of 0.14, Restore), and PostgreSQL goes on with pg_wal, as it does wherever
 * an archive has nothing (RestoreArchivedFile in xlogarchive.c).
 */
export function leaveArchiveSteps(component: Database, intent: Intent): DriverStep<OfPair>[] {
  if (!leavesArchive(component)) return []
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return [
    planStep(leaveArchive, intent.to, {
      phase: 'PREPARE',
      title: `Has ${to} follow ${from} by its stream alone, so that no question to the archive holds it up; one that does not stream keeps the archive`,
      deadline: minutes(1),
      expected: seconds(0.2),
      parameters: { cluster: to, peer: from },
    }),
  ]
}

/** Whether a replica of this component can do without the archive during a move. */
export const leavesArchive = (component: Database): boolean =>
  archiveMethod(component) === 'plugin' && follows(component) === 'archive-and-streaming'

/**
 * After a failover, whose promotion asked no archive: the cluster is again as a deploy declares it, for the day on
 * which the lost site is back.
 */
export function askArchiveSteps(component: Database, intent: Intent): DriverStep<OfPair>[] {
  if (archiveMethod(component) !== 'plugin') return []
  const [lost, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return [
    planStep(askArchive, intent.to, {
      phase: 'PROTECT',
      title: `Names the archive of ${lost} to ${to} again, which its promotion did not have to ask`,
      deadline: minutes(1),
      expected: seconds(0.2),
      parameters: { cluster: to, peer: lost },
    }),
  ]
}

interface Asking extends Proof {
  readonly asksArchive: boolean
}
type PairRun = DatabaseRun<OfPair>

export const leaveArchive: Action<CloudNativePgSpec, OfPair, Asking> = {
  name: 'leave-archive',
  parameters: parametersOf<OfPair>({ cluster: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: PairRun) {
      const cluster = await clusterOfRun(run)
      if (!asksArchiveOf(cluster, run.step.parameters.peer)) return { is: 'done', proof: { asksArchive: false } }
      const [seen, may] = await Promise.all([instanceOf(run, cluster), mayLeaveArchive(run)])
      // One lost answer does not mean that nothing is streamed: the archive would hold the whole move up.
      const instance = seen ?? (await instanceOf(run, cluster))
      if (instance?.isWalReceiverActive !== true || !may) return { is: 'done', proof: { asksArchive: true } }
      return { is: 'pending', waitingFor: `${cluster.metadata.name} to leave its archive`, due: asSeen(cluster) }
    },
    async apply(run: PairRun, seen: AsSeen) {
      await patchCluster(run, seen, { spec: leftArchive(run, await clusterOfRun(run), run.step.parameters.peer) })
    },
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    back: {
      undo: (run: PairRun, seen: AsSeen) => askArchiveAgain(run, seen, run.step.parameters.peer),
      undone: asksAgain,
    },
  },
  byHand: {
    say: () => ({
      commands: ['true   # nothing to do by hand: the archive is only asked a little more often'],
      expect: 'Nothing. A replica that Standby left without its archive gets it back by `standby deploy`.',
    }),
  },
}

export const askArchive: Action<CloudNativePgSpec, OfPair, Asking> = {
  name: 'ask-archive',
  parameters: parametersOf<OfPair>({ cluster: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    done: asksAgain,
    apply: (run: PairRun, seen: AsSeen) => askArchiveAgain(run, seen, run.step.parameters.peer),
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
  },
  byHand: {
    say: () => ({
      commands: ['true   # nothing to do by hand: a promotion by hand asks the archive, and leaves it named'],
      expect: 'Nothing. What Standby has done of it is undone by `standby deploy`.',
    }),
  },
}

async function asksAgain(run: PairRun): Promise<Seen<Asking, AsSeen>> {
  const cluster = await clusterOfRun(run)
  return asksArchiveOf(cluster, run.step.parameters.peer)
    ? { is: 'done', proof: { asksArchive: true } }
    : { is: 'pending', waitingFor: `${cluster.metadata.name} to ask the archive again`, due: asSeen(cluster) }
}

/**
 * Whether the store that has nothing exists: without it the plugin would stop the operator (reconciler.go of 0.14,
 * Pre). An identity that may not look goes without, and the log says what that costs. False where the store has an
 * authority: then an archive of the pair has one as well, and would have none left. The plugin mounts authorities into
 * each pod under the name of the store (lifecycle_certificates.go of 0.14), so another name would recreate every pod
 * amid the move.
 */
export async function mayLeaveArchive(run: ClusterRun): Promise<boolean> {
  if (archiveMethod(run.component) !== 'plugin') return false
  const ref = { ...OBJECT_STORE, namespace: namespaceOf(run), name: noArchiveName(run.component) }
  return unlessForbidden(
    async () => {
      const found = await kubernetesOf(run).get(ref, { signal: run.signal })
      const { configuration } = (found?.spec ?? {}) as { readonly configuration?: { readonly endpointCA?: unknown } }
      return found !== null && configuration?.endpointCA === undefined
    },
    ({ message, next = '' }) => {
      run.context.log.warning(
        `${run.step.id}: the archive is asked all the while, which takes seconds: ${message}. ${next}`,
      )
      return false
    },
  )
}

/**
 * The part of a patch with which the cluster stops asking the archive of `peer`. It replaces the whole list, so the
 * cluster must be as it was seen.
 */
export const leftArchive = ({ component }: DatabaseRun, cluster: ClusterObject, peer: string) =>
  asking(cluster, peer, noArchiveName(component))

/** The part of a patch with which the cluster asks that archive again; nothing where it does already. */
export const archiveAgain = ({ component }: DatabaseRun, cluster: ClusterObject, peer: string) =>
  asksArchiveOf(cluster, peer)
    ? {}
    : asking(cluster, peer, archiveName(component, siteOfCluster(component, peer) as SiteName))

/** The effect of each step that finds that the archive is needed again. */
export const askArchiveAgain = async (run: ClusterRun, seen: AsSeen, peer: string): Promise<void> =>
  patchCluster(run, seen, { spec: archiveAgain(run, await clusterOfRun(run), peer) })

const asking = (cluster: ClusterObject, peer: string, barmanObjectName: string) => ({
  externalClusters: (cluster.spec.externalClusters ?? []).map((external) =>
    external.name === peer && external.plugin !== undefined
      ? { ...external, plugin: { ...external.plugin, parameters: { ...external.plugin.parameters, barmanObjectName } } }
      : external,
  ),
})
