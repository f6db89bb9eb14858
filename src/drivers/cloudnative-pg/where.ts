import type { StepRun } from '../../driver/behaviour.ts'
import type { SqlRows } from '../../driver/context.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { onlyAsSeen, touchObject } from '../../platform/kubernetes/compare-and-set.ts'
import { type Milliseconds, minutes } from '../../values/duration.ts'
import {
  type ClusterObject,
  clusterRef,
  type InstanceStatus,
  POD,
  primaryPod,
  readCluster,
  readInstance,
  runSql,
} from './objects.ts'
import type { CloudNativePgSpec } from './spec.ts'
import { parameter } from './steps.ts'

export type Run = StepRun<CloudNativePgSpec>

export const namespaceOf = (run: Run): string => run.component.spec.namespace

/** The cluster that the step is about; throws when it is gone. */
export async function clusterOfRun(run: Run): Promise<ClusterObject> {
  const name = parameter(run.step, 'cluster')
  const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
  if (cluster === null) throw new Error(`there is no Cluster ${namespaceOf(run)}/${name} on ${siteOf(run)} any more`)
  return cluster
}

/** Changes the cluster that the step is about, if it is still as it was seen: `kubernetes-conflict` otherwise. */
export async function patchAsSeen(run: Run, patch: object): Promise<void> {
  await kubernetesOf(run).patch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), patch, onlyAsSeen(run))
}
export const touchCluster = (run: Run): Promise<void> =>
  touchObject(kubernetesOf(run), clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal)

/** What the primary instance of that cluster says; null while it does not answer. */
export async function instanceOf(run: Run, cluster: ClusterObject): Promise<InstanceStatus | null> {
  const pod = cluster.status?.currentPrimary
  return pod === undefined ? null : readInstance(kubernetesOf(run), namespaceOf(run), pod, run.signal)
}

/** Whether Kubernetes sends clients to the primary instance of that cluster. */
export async function podIsReady(run: Run, cluster: ClusterObject): Promise<boolean> {
  const name = cluster.status?.currentPrimary ?? ''
  return isReady(await kubernetesOf(run).get({ ...POD, namespace: namespaceOf(run), name }, { signal: run.signal }))
}

/** What the primary instance of the cluster on another site says; null while it does not answer. */
export async function peerOf(run: Run, siteName: string, name: string): Promise<InstanceStatus | null> {
  const site = run.context.stack.sites.find((candidate) => candidate.name === siteName)?.name
  if (site === undefined) throw new Error(`${run.step.id} names no site of the stack: ${siteName}`)
  const kubernetes = run.context.kubernetes(site)
  const pod = (await readCluster(kubernetes, namespaceOf(run), name, run.signal))?.status?.currentPrimary
  return pod === undefined ? null : readInstance(kubernetes, namespaceOf(run), pod, run.signal)
}

/** SQL as superuser on the (designated) primary of that cluster. */
export async function sqlOf(run: Run, sql: string, within: Milliseconds = minutes(1)): Promise<SqlRows> {
  const kubernetes = kubernetesOf(run)
  return runSql(
    kubernetes,
    await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'cluster'), run.signal),
    'postgres',
    sql,
    run.signal,
    within,
  )
}

/**
 * Like {@link sqlOf}; null while PostgreSQL does not answer: a question that comes amid a restart is asked again, not
 * failed.
 */
export async function askSql(run: Run, sql: string): Promise<SqlRows | null> {
  try {
    return await sqlOf(run, sql)
  } catch (error) {
    if (asStandbyError(error).unanswered) return null
    throw error
  }
}
