import { minutes, seconds } from '../../duration.ts'
import type { Behaviour, Progress } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import { type ClusterObject, clusterRef, conditionOf, HEALTHY } from './objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { parameter, plannedStep } from './steps.ts'
import { decodeToken } from './token.ts'
import { askSql, clusterOfRun, instanceOf, kubernetesOf, namespaceOf, type Run } from './where.ts'

/** The old primary is shut down cleanly, ships its last WAL, and leaves a token that says exactly where it ended. */
export function demoteStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'demote', intent.from, {
    phase: 'FENCE',
    title: `Demotes ${from}: PostgreSQL is shut down cleanly, its last WAL is archived, and it comes back as a replica of ${to}`,
    deadline: minutes(5),
    expected: seconds(5),
    fence: 'database',
    parameters: { cluster: from, successor: to },
  })
}

export const demote: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    return demotionOf(await clusterOfRun(run), parameter(run.step, 'successor'))
  },
  async apply(run) {
    const successor = parameter(run.step, 'successor')
    const cluster = await clusterOfRun(run)
    if (cluster.spec.replica?.primary === successor) return
    // One patch: a token that is left over makes the webhook refuse the demotion (CNPG #9273).
    const patch = { spec: { replica: { primary: successor, source: successor, promotionToken: null } } }
    await kubernetesOf(run).patch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), patch, { signal: run.signal })
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  undo: takeBack,
}

/** Phase and Ready stay "healthy" during most of a demotion: only these fields are honest (measured). */
export function demotionOf(cluster: ClusterObject, successor: string): Progress {
  if (cluster.spec.replica?.primary !== successor)
    return { is: 'pending', waitingFor: `${cluster.metadata.name} to be told to follow ${successor}` }
  const archiving = conditionOf(cluster, 'ContinuousArchiving')
  const token = decodeToken(cluster.status?.demotionToken)
  if (token !== null && cluster.status?.switchReplicaClusterStatus?.inProgress !== true)
    return {
      is: 'done',
      proof: { token: cluster.status?.demotionToken ?? '', timeline: token.timeline, redo: token.redoText, systemId: token.systemId },
    }
  if (archiving?.status === 'False')
    return { is: 'pending', waitingFor: `the object store of ${cluster.metadata.name}: ${archiving.message ?? 'archiving fails'}` }
  return { is: 'pending', waitingFor: `${cluster.metadata.name} to shut down and to archive its last WAL` }
}

/**
 * Before the promotion a demoted cluster becomes primary again with its own token.
 * While the demotion is in progress the webhook refuses any change of direction, so its end is awaited first.
 */
async function takeBack(run: Run): Promise<void> {
  const kubernetes = kubernetesOf(run)
  const name = parameter(run.step, 'cluster')
  const successor = parameter(run.step, 'successor')
  const ref = clusterRef(namespaceOf(run), name)
  for (;;) {
    const cluster = await clusterOfRun(run)
    const token = cluster.status?.demotionToken
    if (
      cluster.spec.replica?.primary === successor &&
      token !== undefined &&
      cluster.status?.switchReplicaClusterStatus?.inProgress !== true
    )
      await kubernetes.patch(
        ref,
        { spec: { replica: { primary: name, source: successor, promotionToken: token } } },
        { signal: run.signal },
      )
    else if (cluster.spec.replica?.primary === name && (await instanceOf(run, cluster))?.isPrimary === true) {
      // Taken back is what serves again: the token is cleared, and the restart that turns archiving on is over.
      if (cluster.spec.replica.promotionToken)
        await kubernetes.patch(ref, { spec: { replica: { promotionToken: null } } }, { signal: run.signal })
      else if (cluster.status?.phase === HEALTHY && (await archivesAgain(run))) return
    }
    await run.context.clock.sleep(500, run.signal)
  }
}

async function archivesAgain(run: Run): Promise<boolean> {
  const [row] = (await askSql(run, "SELECT current_setting('archive_mode');")) ?? []
  return row?.[0] === 'on'
}
