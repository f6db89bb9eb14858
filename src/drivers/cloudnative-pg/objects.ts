import type {
  KubernetesClient,
  KubernetesObject,
  ObjectReference,
  PodReference,
} from '../../clients/kubernetes-client.ts'
import type { SqlRows } from '../../driver/context.ts'
import { asStandbyError, type StandbyError, siteError } from '../../errors/standby-error.ts'
import type { Condition } from '../../platform/kubernetes/client/conditions.ts'
import { type Milliseconds, minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'

/** The kinds that CloudNativePG and its archive plugin add to Kubernetes. */
export const CLUSTER = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', plural: 'clusters' } as const
export const BACKUP = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Backup', plural: 'backups' } as const
export const SCHEDULED_BACKUP = {
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'ScheduledBackup',
  plural: 'scheduledbackups',
} as const
export const OBJECT_STORE = {
  apiVersion: 'barmancloud.cnpg.io/v1',
  kind: 'ObjectStore',
  plural: 'objectstores',
} as const
export const SECRET = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' } as const
export const JOB = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' } as const
export const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' } as const

export const PLUGIN = 'barman-cloud.cloudnative-pg.io'
/** Instances that the operator keeps stopped: a list, as JSON. */
export const FENCE = 'cnpg.io/fencedInstances'
export const HEALTHY = 'Cluster in healthy state'
/** The phase at which an instance manager restarts its primary without a new pod; it says healthy again after that. */
export const RESTARTING_IN_PLACE = 'Primary instance is being restarted in-place'
/** Container of every instance pod. */
export const POSTGRES = 'postgres'

export const clusterRef = (namespace: string, name: string): ObjectReference => ({ ...CLUSTER, namespace, name })

/** The fields of a Cluster that this driver reads (cluster_types.go of 1.30). */
export interface ClusterObject extends KubernetesObject {
  readonly spec: {
    readonly instances?: number
    readonly imageName?: string
    readonly smartShutdownTimeout?: number
    readonly primaryUpdateMethod?: string
    readonly primaryUpdateStrategy?: string
    readonly bootstrap?: object
    readonly postgresql?: {
      readonly parameters?: Readonly<Record<string, string>>
      readonly enableAlterSystem?: boolean
    }
    readonly replica?: {
      readonly self?: string
      readonly primary?: string
      readonly source?: string
      readonly promotionToken?: string
      readonly minApplyDelay?: string
      readonly enabled?: boolean
    }
    readonly plugins?: readonly {
      readonly name: string
      readonly enabled?: boolean
      readonly parameters?: Readonly<Record<string, string>>
    }[]
    readonly backup?: {
      readonly barmanObjectStore?: { readonly serverName?: string }
      readonly retentionPolicy?: string
    }
    readonly superuserSecret?: { readonly name: string }
    readonly enableSuperuserAccess?: boolean
    readonly externalClusters?: readonly ExternalCluster[]
  }
  readonly status?: {
    readonly phase?: string
    readonly phaseReason?: string
    readonly readyInstances?: number
    readonly currentPrimary?: string
    readonly targetPrimary?: string
    readonly demotionToken?: string
    readonly lastPromotionToken?: string
    readonly systemID?: string
    readonly switchReplicaClusterStatus?: { readonly inProgress?: boolean }
    readonly conditions?: readonly Condition[]
    readonly pluginStatus?: readonly { readonly name: string; readonly version: string }[]
  }
}
export interface ExternalCluster {
  readonly name: string
  readonly connectionParameters?: object
  readonly plugin?: { readonly parameters?: Readonly<Record<string, string>> }
  readonly barmanObjectStore?: { readonly serverName?: string }
}

export async function readCluster(
  kubernetes: KubernetesClient,
  namespace: string,
  name: string,
  signal?: AbortSignal,
): Promise<ClusterObject | null> {
  return (await kubernetes.get(
    clusterRef(namespace, name),
    signal === undefined ? {} : { signal },
  )) as ClusterObject | null
}

/**
 * Under which name this incarnation archives; null where it archives nowhere. Without one, plugin and operator take the
 * cluster's own name.
 */
export function serverNameOf(cluster: ClusterObject): string | null {
  const plugin = cluster.spec.plugins?.find(({ name, enabled }) => name === PLUGIN && enabled !== false)
  const inTree = cluster.spec.backup?.barmanObjectStore
  if (plugin === undefined && inTree === undefined) return null
  return plugin?.parameters?.serverName ?? inTree?.serverName ?? cluster.metadata.name
}

/** By specification. */
export function followsAnother({ metadata, spec: { replica } }: ClusterObject): boolean {
  return replica?.enabled ?? (replica?.primary !== undefined && (replica.self ?? metadata.name) !== replica.primary)
}

/** Under which name another cluster archives, as this one knows it. */
export function serverNameOfPeer(cluster: ClusterObject, peer: string): string | null {
  const external = cluster.spec.externalClusters?.find((candidate) => candidate.name === peer)
  return external === undefined ? null : serverNameIn(external)
}

/** What the name of the store that has nothing ends with. */
export const NO_ARCHIVE = '-no-archive'

/** Whether a cluster asks the archive of another one, as it does but for the time of a move (`leave-archive.ts`). */
export function asksArchiveOf(cluster: ClusterObject, peer: string): boolean {
  const external = cluster.spec.externalClusters?.find((candidate) => candidate.name === peer)
  return external?.plugin?.parameters?.barmanObjectName?.endsWith(NO_ARCHIVE) !== true
}

/** The same cluster under another incarnation, whichever way it archives. */
export function archivingAs(external: ExternalCluster, serverName: string): ExternalCluster {
  if (serverNameIn(external) === null) return external
  return external.plugin === undefined
    ? { ...external, barmanObjectStore: { ...external.barmanObjectStore, serverName } }
    : { ...external, plugin: { ...external.plugin, parameters: { ...external.plugin.parameters, serverName } } }
}

export const serverNameIn = (external: ExternalCluster): string | null =>
  external.plugin?.parameters?.serverName ?? external.barmanObjectStore?.serverName ?? null

/**
 * What the instance manager says of its PostgreSQL (`/pg/status`, reached through the API server's pod proxy on a
 * kept-alive connection).
 */
export interface InstanceStatus {
  readonly isPrimary: boolean
  readonly timeLineID: number
  readonly currentLsn?: string
  /** Of a primary: name of the segment at its position. */
  readonly currentWAL?: string
  readonly receivedLsn?: string
  readonly replayLsn?: string
  readonly systemID?: string
  readonly replayPaused?: boolean
  readonly pendingRestart?: boolean
  readonly isWalReceiverActive?: boolean
  readonly lastArchivedWAL?: string
  readonly lastArchivedWALTime?: string
  readonly lastFailedWAL?: string
  readonly lastFailedWALTime?: string
  readonly readyWalFiles?: number
  /** True from the moment at which a fence begins: no proof that PostgreSQL has stopped. */
  readonly mightBeUnavailable?: boolean
  /** Why PostgreSQL did not answer its instance manager, while it may be unavailable. */
  readonly mightBeUnavailableMaskedError?: string
  /** The operator's own version: it ships the instance manager. */
  readonly instanceManagerVersion?: string
}

/**
 * null while the instance does not answer, as during its restarts, or not in time. A missing right is no
 * silence: it throws.
 */
export async function readInstance(
  kubernetes: KubernetesClient,
  namespace: string,
  pod: string,
  signal?: AbortSignal,
  deadline?: Milliseconds,
): Promise<InstanceStatus | null> {
  const options = { ...(signal === undefined ? {} : { signal }), ...(deadline === undefined ? {} : { deadline }) }
  const target = { namespace, pod, scheme: 'https', port: 8000, path: '/pg/status' } as const
  const answer = await kubernetes.proxyGet(target, options).catch((error: unknown) => {
    if (asStandbyError(error).retry !== 'never') return null
    throw error
  })
  if (answer === null || answer.status !== 200) return null
  try {
    return JSON.parse(answer.body) as InstanceStatus
  } catch {
    return null
  }
}

const SEPARATOR = '\u001f'

/** psql's exit code when there is no connection, or none any more; 3 is an error of the SQL itself. */
const NO_CONNECTION = 2

/**
 * Rows of one SQL command, run as postgres inside the pod (peer authentication: no password travels).
 * Throws `database-not-answering` while PostgreSQL restarts, `sql-failed` when the SQL is wrong.
 */
export async function runSql(
  kubernetes: KubernetesClient,
  pod: PodReference,
  database: string,
  sql: string,
  signal?: AbortSignal,
  within: Milliseconds = minutes(1),
): Promise<SqlRows> {
  const argv = ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', SEPARATOR, '-U', 'postgres', '-d', database, '-f', '-']
  const options = { stdin: sql, deadline: within, ...(signal === undefined ? {} : { signal }) }
  const answer = await kubernetes.exec(pod, argv, options).catch((error: unknown) => {
    throw asUnansweredWherePodIsGone(error)
  })
  if (answer.code !== 0) {
    const what = `psql: ${answer.stderr.trim().split('\n').slice(-3).join(' ')}`
    const where = `${kubernetes.site} ${pod.namespace}/Pod/${pod.name}`
    throw answer.code === NO_CONNECTION
      ? codes.error('database-not-answering', what, { where, retry: 'transient', unanswered: true })
      : siteError('sql-failed', what, { where, retry: 'never' })
  }
  return answer.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(SEPARATOR))
}

/**
 * A pod that is gone since its name was read answers as little as a PostgreSQL that is down: its successor is waited
 * for.
 */
function asUnansweredWherePodIsGone(error: unknown): StandbyError {
  const { message: what, ...of } = asStandbyError(error)
  return of.code === 'kubernetes-not-found'
    ? siteError(of.code, what, {
        where: of.where,
        next: of.next,
        unseen: of.unseen,
        retry: 'transient',
        unanswered: true,
      })
    : asStandbyError(error)
}

/** The pod of the (designated) primary of a cluster. Throws `no-primary`. */
export async function primaryPod(
  kubernetes: KubernetesClient,
  namespace: string,
  cluster: string,
  signal?: AbortSignal,
): Promise<PodReference> {
  const found = await readCluster(kubernetes, namespace, cluster, signal)
  const name = found?.status?.currentPrimary
  if (name === undefined)
    throw codes.error(
      'no-primary',
      `the cluster ${cluster} ${found === null ? 'does not exist' : 'has no primary instance'}`,
      {
        where: `${kubernetes.site} ${namespace}/Cluster/${cluster}`,
        retry: found === null ? 'never' : 'transient',
        unanswered: true,
      },
    )
  return podOf(namespace, name)
}

export const podOf = (namespace: string, name: string): PodReference => ({ namespace, name, container: POSTGRES })
