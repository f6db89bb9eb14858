import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { archiveName, noArchiveName } from '../deploy/manifests.ts'
import { asksArchiveOf, type ClusterObject, clusterRef, OBJECT_STORE } from '../objects.ts'
import { archiveMethod, type CloudNativePgSpec, clusterOf, type Database, follows, siteOfCluster } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { clusterOfRun, instanceOf, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'

/**
 * For as long as a move takes its clusters ask no archive for what the other one wrote. Left to itself a replica whose
 * primary shuts down asks again and again, while it leaves recovery it asks four or five times more, one after the
 * other, and what comes back as a replica asks first of all: for files that lie in pg_wal already, or come by the
 * stream. Each question is a start of Python, and PostgreSQL waits for its end.
 *
 * The entry of the other cluster names a store whose keys do not exist (`deploy.ts`), so that the plugin answers
 * "nothing" before any Python starts (wal.go of 0.14, Restore), and PostgreSQL goes on with pg_wal, as it does wherever
 * an archive has nothing (RestoreArchivedFile in xlogarchive.c).
 */
export function leaveArchiveSteps(component: Database, intent: Intent): PlannedStep[] {
  if (archiveMethod(component) !== 'plugin' || follows(component) !== 'archive-and-streaming') return []
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return [
    plannedStep(component, 'leave-archive', intent.to, {
      phase: 'PREPARE',
      title: `Has ${to} follow ${from} by its stream alone, so that no question to the archive holds it up; one that does not stream keeps the archive`,
      deadline: minutes(1),
      expected: seconds(0.2),
      parameters: { cluster: to, peer: from },
    }),
  ]
}

/**
 * Behind a failover, whose promotion asked no archive: what a deploy declares is true again, for the day on which the
 * lost site is back.
 */
export function askArchiveSteps(component: Database, intent: Intent): PlannedStep[] {
  if (archiveMethod(component) !== 'plugin') return []
  const [lost, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return [
    plannedStep(component, 'ask-archive', intent.to, {
      phase: 'PROTECT',
      title: `Names the archive of ${lost} to ${to} again, which its promotion did not have to ask`,
      deadline: minutes(1),
      expected: seconds(0.2),
      parameters: { cluster: to, peer: lost },
    }),
  ]
}

export const leaveArchive: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const peer = parameter(run.step, 'peer')
    if (!asksArchiveOf(cluster, peer)) return { is: 'done', proof: { asksArchive: false } }
    const [instance, may] = await Promise.all([instanceOf(run, cluster), mayLeaveArchive(run)])
    if (instance?.isWalReceiverActive !== true || !may) return { is: 'done', proof: { asksArchive: true } }
    return { is: 'pending', waitingFor: `${cluster.metadata.name} to be told`, restsOn: asSeen(cluster) }
  },
  async apply(run) {
    await patchAsSeen(run, { spec: leftArchive(run, await clusterOfRun(run), parameter(run.step, 'peer')) })
  },
  undone: asksAgain,
  undo: (run) => askArchiveAgain(run, parameter(run.step, 'peer')),
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  touch: touchCluster,
}

export const askArchive: Behaviour<CloudNativePgSpec> = {
  done: asksAgain,
  apply: (run) => askArchiveAgain(run, parameter(run.step, 'peer')),
  touch: touchCluster,
}

async function asksAgain(run: Run): Promise<Progress> {
  const cluster = await clusterOfRun(run)
  return asksArchiveOf(cluster, parameter(run.step, 'peer'))
    ? { is: 'done', proof: { asksArchive: true } }
    : { is: 'pending', waitingFor: `${cluster.metadata.name} to ask the archive again`, restsOn: asSeen(cluster) }
}

/**
 * Whether the store that has nothing is there: without it the plugin would stop the operator (reconciler.go of 0.14,
 * Pre). Who may not look goes without, and is warned of what it costs. Where it has authorities, an archive of the pair
 * has some, and none is left: the plugin mounts them into each pod under the name of the store
 * (lifecycle_certificates.go of 0.14), so that another name would have every pod made anew amid the move.
 */
export async function mayLeaveArchive(run: Run): Promise<boolean> {
  if (archiveMethod(run.component) !== 'plugin') return false
  const ref = { ...OBJECT_STORE, namespace: namespaceOf(run), name: noArchiveName(run.component) }
  try {
    const found = await kubernetesOf(run).get(ref, { signal: run.signal })
    const { configuration } = (found?.spec ?? {}) as { readonly configuration?: { readonly endpointCA?: unknown } }
    return found !== null && configuration?.endpointCA === undefined
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.code !== 'kubernetes-forbidden') throw reason
    run.context.log.warning(
      `${run.step.id}: the archive is asked all the while, which takes seconds: ${reason.message}. ${reason.next ?? ''}`,
    )
    return false
  }
}

/**
 * The part of a patch with which the cluster asks the archive of `peer` no more: the whole list, so it must be as it
 * was seen.
 */
export const leftArchive = (run: Run, cluster: ClusterObject, peer: string) =>
  asking(cluster, peer, noArchiveName(run.component))

/** The part of a patch with which it asks that archive again; nothing where it does. */
export const archiveAgain = (run: Run, cluster: ClusterObject, peer: string) =>
  asksArchiveOf(cluster, peer)
    ? {}
    : asking(cluster, peer, archiveName(run.component, siteOfCluster(run.component, peer) as SiteName))

/** The effect of whatever step finds that the archive is needed again. */
export const askArchiveAgain = async (run: Run, peer: string): Promise<void> =>
  patchAsSeen(run, { spec: archiveAgain(run, await clusterOfRun(run), peer) })

const asking = (cluster: ClusterObject, peer: string, barmanObjectName: string) => ({
  externalClusters: (cluster.spec.externalClusters ?? []).map((external) =>
    external.name === peer && external.plugin !== undefined
      ? { ...external, plugin: { ...external.plugin, parameters: { ...external.plugin.parameters, barmanObjectName } } }
      : external,
  ),
})
