import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Seen, StepRun } from '../../driver/behaviour.ts'
import type { SqlRows } from '../../driver/context.ts'
import type { Proof } from '../../driver/proofs.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { type AsSeen, ifUnchanged, invalidateObject } from '../../platform/kubernetes/compare-and-set.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { type Milliseconds, minutes } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
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

/** A running step of this driver. */
export type DatabaseRun<Parameters extends JsonObject = JsonObject, Memory = unknown> = StepRun<
  CloudNativePgSpec,
  Parameters,
  Memory
>
/** A running step that is about one Cluster, on the site of the step. */
export type ClusterRun<Memory = unknown> = DatabaseRun<OfCluster, Memory>
/** The parameters of a step that needs nothing but its Cluster. */
export type OfCluster = {
  /** metadata.name of the Cluster. */
  readonly cluster: string
}

/** The parameters of a step that also names the Cluster on the other side of the move. */
export type OfPair = OfCluster & {
  /** metadata.name of the other Cluster. */
  readonly peer: string
}

/** A step that waiting cannot help. */
export type Failed = Extract<Seen<Proof, never>, { readonly is: 'failed' }>

export const namespaceOf = ({ component }: DatabaseRun): string => component.spec.namespace

/** The site on which the step acts. A step of this kind without a site is a defect of its plan. */
export function siteOf({ site, step }: DatabaseRun): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

/** The Kubernetes cluster of that site. */
export const kubernetesOf = (run: DatabaseRun): KubernetesClient => run.context.platform(KUBERNETES, siteOf(run))

/** A site of the stack by the name that the plan gives. */
export function siteNamed(run: DatabaseRun, name: string): SiteName {
  const site = run.context.stack.sites.find((one) => one.name === name)?.name
  if (site === undefined) throw new Error(`${run.step.id} names no site of the stack: ${name}`)
  return site
}

export const refOf = (run: ClusterRun) => clusterRef(namespaceOf(run), run.step.parameters.cluster)

/** The Cluster of the step. Throws where it does not exist any more. */
export async function clusterOfRun(run: ClusterRun): Promise<ClusterObject> {
  const { cluster: name } = run.step.parameters
  const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
  if (cluster === null) throw new Error(`there is no Cluster ${namespaceOf(run)}/${name} on ${siteOf(run)} any more`)
  return cluster
}

/** Patches the Cluster of the step. Throws `kubernetes-conflict` where it is not as it was seen. */
export async function patchCluster(run: ClusterRun, seen: AsSeen, patch: object): Promise<void> {
  await kubernetesOf(run).patch(refOf(run), patch, ifUnchanged(run, seen))
}

/** Bumps the version of the Cluster of the step, and makes its operator look at it again. */
export const invalidateCluster = (run: ClusterRun): Promise<void> =>
  invalidateObject(kubernetesOf(run), refOf(run), run.signal)

/** Yields whenever the Cluster of the step changes. */
export const changesOfCluster = (run: ClusterRun): AsyncIterable<unknown> =>
  kubernetesOf(run).watch(refOf(run), run.signal)

/** The status of the primary instance of that Cluster; null while it does not answer. */
export async function instanceOf(run: DatabaseRun, cluster: ClusterObject): Promise<InstanceStatus | null> {
  const pod = cluster.status?.currentPrimary
  return pod === undefined ? null : readInstance(kubernetesOf(run), namespaceOf(run), pod, run.signal)
}

/** Whether Kubernetes sends clients to the primary instance of that Cluster. */
export async function podIsReady(run: DatabaseRun, cluster: ClusterObject): Promise<boolean> {
  const name = cluster.status?.currentPrimary ?? ''
  return isReady(await kubernetesOf(run).get({ ...POD, namespace: namespaceOf(run), name }, { signal: run.signal }))
}

/** The status of the primary instance of a Cluster on another site; null while it does not answer. */
export async function peerOf(run: DatabaseRun, site: string, name: string): Promise<InstanceStatus | null> {
  const kubernetes = run.context.platform(KUBERNETES, siteNamed(run, site))
  const pod = (await readCluster(kubernetes, namespaceOf(run), name, run.signal))?.status?.currentPrimary
  return pod === undefined ? null : readInstance(kubernetes, namespaceOf(run), pod, run.signal)
}

/**
 * Rows of SQL that a superuser runs on the (designated) primary of the Cluster of the step. Throws
 * `database-not-answering` while PostgreSQL restarts, `no-primary`, `sql-failed`.
 */
export async function sqlOf(run: ClusterRun, sql: string, within: Milliseconds = minutes(1)): Promise<SqlRows> {
  const kubernetes = kubernetesOf(run)
  const pod = await primaryPod(kubernetes, namespaceOf(run), run.step.parameters.cluster, run.signal)
  return runSql(kubernetes, pod, 'postgres', sql, run.signal, within)
}

/** Like {@link sqlOf}; null while PostgreSQL does not answer: a question amid a restart is repeated, not failed. */
export async function askSql(run: ClusterRun, sql: string): Promise<SqlRows | null> {
  try {
    return await sqlOf(run, sql)
  } catch (error) {
    if (asStandbyError(error).unanswered) return null
    throw error
  }
}

/** Adds to what this process remembers of the step. */
export const remember = <Remembered extends object>(run: DatabaseRun<JsonObject, Remembered>, more: Remembered): void =>
  run.memory.set({ ...run.memory.value, ...more })
