import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import { overWay } from '../../clients/patience.ts'
import { seenInTime } from '../../clients/seen-in-time.ts'
import { withinDeadline } from '../../clients/within-deadline.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Observed, Summary } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { siteError } from '../../errors/standby-error.ts'
import { conditionOf } from '../../platform/kubernetes/client/conditions.ts'
import { isOwnedBy } from '../../platform/kubernetes/declared-objects.ts'
import { controllersOf, type OtherController } from '../../platform/kubernetes/field-managers.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import type { ForkRecord } from '../../systems/postgres/fork-records.ts'
import { farthestSegments, gapToArchive } from '../../systems/postgres/server-position.ts'
import type { SegmentBytes } from '../../systems/postgres/wal.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { type BackupObject, backupsIn, completedBackups } from './backup/completed-backups.ts'
import { type ClusterSettings, settingsOf } from './cluster-settings.ts'
import { archiveTimeoutOf } from './deploy/archive-timeout.ts'
import { secretDigest } from './deploy/must-match-secrets.ts'
import { forkOf } from './failover/forks.ts'
import { partedBy } from './failover/parted.ts'
import { seeUpstream, type Upstream } from './failover/upstream.ts'
import { DIRECTION, leftOfSwitch, OPERATOR, remembersSwitch } from './left-of-switch.ts'
import {
  asksArchiveOf,
  type ClusterObject,
  followsAnother,
  HEALTHY,
  type InstanceStatus,
  readCluster,
  readInstance,
  serverNameIn,
  serverNameOf,
} from './objects.ts'
import { positionOf } from './position.ts'
import { measureSegments, segmentBytesOf } from './segment-length.ts'
import { clusterOf, type Database } from './spec.ts'

/** The state of one site's cluster, from the Cluster object and its instance. */
export interface CloudNativePgState {
  readonly cluster: string
  readonly uid: string
  readonly serverName: string | null
  readonly phase: string
  readonly phaseReason: string
  readonly replica: { readonly self: string; readonly primary: string } | null
  /** By specification; what PostgreSQL does is `instance.isPrimary`. */
  readonly isReplica: boolean
  readonly promotionToken: string | null
  readonly inProgress: boolean
  /** The remains of an interrupted demotion; null where there are none. */
  readonly leftOfSwitch: string | null
  /** Other controllers that manage the cluster. */
  readonly controllers: readonly OtherController[]
  readonly instances: number
  readonly readyInstances: number
  readonly currentPrimary: string | null
  readonly targetPrimary: string | null
  readonly systemId: string | null
  readonly archiving: 'working' | 'failing' | 'never'
  readonly fenced: boolean
  readonly hibernated: boolean
  readonly smartShutdownTimeout: number
  readonly minApplyDelay: boolean
  /** A primary that is written to ships at least so often; null: only full segments. */
  readonly archiveTimeout: Milliseconds | null
  readonly image: string
  readonly settings: ClusterSettings
  /** How long its WAL segments are; null where no source says. */
  readonly segmentBytes: SegmentBytes | null
  readonly plugin: string | null
  readonly operator: string | null
  readonly primaryUpdate: { readonly method: string; readonly strategy: string }
  /**
   * Digests of the Secrets that must be the same everywhere, with a key of this process; null: it does not exist;
   * absent: it may not be read.
   */
  readonly secrets: Readonly<Record<string, string | null>>
  readonly instance: InstanceStatus | null
  readonly lastBackup: { readonly id: string; readonly at: string } | null
  readonly unfinishedBackup: string | null
  /** Under which name each other cluster archives, as this one knows it. */
  readonly peers: Readonly<Record<string, string>>
  /** The clusters whose archive this one does not ask (`leave-archive.ts`). */
  readonly archivesLeft: readonly string[]
  /** Of a follower: what its primary has left in the archive. */
  readonly upstream: Upstream | null
  /** Of a follower: a failover ended the history that its archive holds, and has closed it where it could. */
  readonly forked: boolean
  /**
   * Of a follower in a stack of more than two sites: the failover that ended the history which it follows, before its
   * position.
   */
  readonly parted: ForkRecord | null
}

/**
 * An instance whose kubelet is dead never answers, and its Cluster still calls it the primary: the rest of the
 * observation must not wait for it.
 */
const PATIENCE: Milliseconds = seconds(1.5)

/** Reads the cluster, its primary instance and the backups of one site. */
export async function observeCluster(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<CloudNativePgState>> {
  const kubernetes = context.platform(KUBERNETES, site)
  const { namespace } = component.spec
  const name = clusterOf(component, site)
  const [cluster, backups, secrets] = await Promise.all([
    readCluster(kubernetes, namespace, name, context.signal),
    backupsIn(kubernetes, namespace, context.signal),
    digestsOf(component, kubernetes, context.signal),
  ])
  if (cluster === null) return { kind: 'absent', why: `there is no Cluster ${namespace}/${name}` }
  const pod = cluster.status?.currentPrimary
  const [instance, measured, forked] = await Promise.all([
    pod === undefined
      ? null
      : seenInTime(
          context.signal,
          () => readInstance(kubernetes, namespace, pod, context.signal, PATIENCE),
          () => null,
        ),
    // A primary names the file that it writes to, so its metrics are not asked for.
    pod === undefined || !followsAnother(cluster) ? null : measureSegments(kubernetes, cluster, pod, context, PATIENCE),
    isForked(component, cluster, context),
  ])
  const own = segmentBytesOf(cluster, instance, measured)
  const [upstream, parted] = await Promise.all([
    seeUpstream(component, cluster, instance, own, context),
    context.stack.sites.length > 2 ? askedInTime(context, () => partedBy(component, cluster, instance, context)) : null,
  ])
  const madeBy = isOwnedBy(cluster, context.stack.name, component.name) ? 'standby' : 'others'
  const segmentBytes = own ?? upstream?.segmentBytes ?? null
  return {
    ...summarized(stateOf(cluster, instance, backups, secrets, { upstream, forked, parted, segmentBytes })),
    madeBy,
  }
}

/** A silent or slow witness is reported elsewhere, and does not hide a site: false. */
async function isForked(component: Database, cluster: ClusterObject, context: DriverContext): Promise<boolean> {
  const serverName = serverNameOf(cluster)
  if (serverName === null || !followsAnother(cluster)) return false
  return (await askedInTime(context, () => forkOf(component, serverName, context))) !== null
}

function askedInTime<T>(context: DriverContext, ask: () => Promise<T | null>): Promise<T | null> {
  const late = (): Error => siteError('witness-silent', 'no answer in time')
  return withinDeadline(() => overWay(context.records.way, PATIENCE), [context.signal], ask, late).catch(() => null)
}

/** Absent where this identity may not read them: a restore tester must not have the superuser's password. */
async function digestsOf(
  component: Database,
  kubernetes: KubernetesClient,
  signal: AbortSignal,
): Promise<CloudNativePgState['secrets']> {
  const { namespace, secrets } = component.spec
  const digests = [secrets.superuser, secrets.owner].map((name) =>
    unlessForbidden(
      async () => [[name, await secretDigest(kubernetes, namespace, name, signal)] as const],
      () => [],
    ),
  )
  return Object.fromEntries((await Promise.all(digests)).flat())
}

const roleIn = ({ metadata, spec: { replica } }: ClusterObject): CloudNativePgState['replica'] =>
  replica?.primary === undefined ? null : { self: replica.self ?? metadata.name, primary: replica.primary }

export function stateOf(
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  backups: readonly BackupObject[],
  secrets: CloudNativePgState['secrets'],
  {
    upstream = null,
    forked = false,
    parted = null,
    segmentBytes = segmentBytesOf(cluster, instance, null),
  }: Partial<Pick<CloudNativePgState, 'upstream' | 'forked' | 'parted' | 'segmentBytes'>> = {},
): CloudNativePgState {
  const { spec, status } = cluster
  const replica = roleIn(cluster)
  const own = backups.filter((backup) => backup.spec.cluster.name === cluster.metadata.name)
  const good = completedBackups(backups, cluster).at(-1)
  return {
    cluster: cluster.metadata.name,
    uid: cluster.metadata.uid ?? '',
    serverName: serverNameOf(cluster),
    phase: status?.phase ?? '',
    phaseReason: status?.phaseReason ?? '',
    replica,
    isReplica: followsAnother(cluster),
    promotionToken: spec.replica?.promotionToken || null,
    inProgress: status?.switchReplicaClusterStatus?.inProgress ?? false,
    leftOfSwitch: remembersSwitch(cluster) ? leftOfSwitch(cluster) : null,
    controllers: controllersOf(cluster, DIRECTION, OPERATOR),
    instances: spec.instances ?? 1,
    readyInstances: status?.readyInstances ?? 0,
    currentPrimary: status?.currentPrimary ?? null,
    targetPrimary: status?.targetPrimary ?? null,
    systemId: status?.systemID ?? instance?.systemID ?? null,
    archiving: archivingOf(cluster),
    fenced: fencedInstances(cluster).length > 0,
    hibernated: cluster.metadata.annotations?.['cnpg.io/hibernation'] === 'on',
    smartShutdownTimeout: spec.smartShutdownTimeout ?? 180,
    minApplyDelay: spec.replica?.minApplyDelay !== undefined,
    archiveTimeout: archiveTimeoutOf(cluster),
    image: spec.imageName ?? '',
    settings: settingsOf(cluster),
    segmentBytes,
    plugin: status?.pluginStatus?.find((plugin) => plugin.name.startsWith('barman-cloud'))?.version ?? null,
    operator: instance?.instanceManagerVersion ?? null,
    primaryUpdate: {
      method: spec.primaryUpdateMethod ?? 'restart',
      strategy: spec.primaryUpdateStrategy ?? 'unsupervised',
    },
    secrets,
    instance,
    lastBackup:
      good?.status?.backupId === undefined ? null : { id: good.status.backupId, at: good.status.stoppedAt ?? '' },
    unfinishedBackup:
      own.find((backup) => !FINISHED.includes(backup.status?.phase ?? 'pending'))?.metadata.name ?? null,
    peers: Object.fromEntries(
      (spec.externalClusters ?? []).flatMap((external) => {
        const archivesAs = serverNameIn(external)
        return external.name === cluster.metadata.name || archivesAs === null ? [] : [[external.name, archivesAs]]
      }),
    ),
    archivesLeft: (spec.externalClusters ?? []).flatMap(({ name }) => (asksArchiveOf(cluster, name) ? [] : [name])),
    upstream,
    forked,
    parted,
  }
}

function archivingOf(cluster: ClusterObject): CloudNativePgState['archiving'] {
  const condition = conditionOf(cluster, 'ContinuousArchiving')
  if (condition === undefined) return 'never'
  return condition.status === 'True' ? 'working' : 'failing'
}

/**
 * `walArchivingFailing` and an invalid definition do not finish a backup: they block every later one until it is
 * deleted (CNPG #10745).
 */
const FINISHED = ['completed', 'failed']

function fencedInstances(cluster: ClusterObject): string[] {
  try {
    const names: unknown = JSON.parse(cluster.metadata.annotations?.['cnpg.io/fencedInstances'] ?? '[]')
    return Array.isArray(names) ? names.map(String) : ['unreadable']
  } catch {
    return ['unreadable']
  }
}

export function summarized(
  state: CloudNativePgState,
): Extract<Observed<CloudNativePgState>, { readonly kind: 'answering' }> {
  const writable = state.instance?.isPrimary === true
  const timeline = state.instance?.timeLineID ?? 0
  return {
    kind: 'answering',
    state,
    role: roleOf(state),
    health: healthOf(state),
    text: `${writable ? 'primary' : 'replica'}${state.fenced ? ', fenced' : ''}, timeline ${timeline}, ${state.readyInstances}/${state.instances} ready${state.phase === HEALTHY ? '' : `, ${state.phase}`}`,
    ...(state.lastBackup === null ? {} : { lastBackup: state.lastBackup.at }),
    facts: factsOf(state),
  }
}

/** The specification and PostgreSQL may disagree while a promotion lasts: `split`. */
function roleOf({ instance, isReplica }: CloudNativePgState): Summary['role'] {
  if (instance === null) return 'unknown'
  const writable = instance.isPrimary === true
  if (writable === isReplica) return 'split'
  return writable ? 'active' : 'passive'
}

function healthOf({ instance, fenced, phase, readyInstances, instances }: CloudNativePgState): Summary['health'] {
  if (instance === null || fenced) return 'down'
  return phase === HEALTHY && readyInstances === instances ? 'healthy' : 'degraded'
}

/** Which cluster is the primary, on which timeline of which history: a plan holds only while none of them changes. */
export function factsOf(state: CloudNativePgState): Fact[] {
  const { instance, lastBackup, segmentBytes } = state
  const gap = gapToArchive(positionOf(state))
  // A replica says that of its last restartpoint, whose time is its own; the manager of a fenced PostgreSQL says none.
  const timeline: number | undefined = instance?.isPrimary === true ? instance.timeLineID : undefined
  return [
    { name: 'cluster', value: state.uid, binds: 'exactly' },
    { name: 'primary', value: state.replica?.primary ?? state.cluster, binds: 'exactly' },
    ...(timeline === undefined ? [] : [{ name: 'timeline', value: timeline, binds: 'exactly' } as const]),
    { name: 'system id', value: state.systemId, binds: 'exactly' },
    { name: 'archive', value: state.serverName, binds: 'exactly' },
    { name: 'image', value: state.image, binds: 'exactly' },
    // Only a rejoin clones from it; the nightly one makes no other plan stale.
    { name: 'newest backup', value: lastBackup?.id ?? '', binds: 'exactly', only: 'rejoin' },
    ...(gap === null || segmentBytes === null
      ? []
      : [
          {
            name: 'gap',
            value: gap,
            binds: 'at-most',
            limit: farthestSegments(segmentBytes),
            unit: 'segments',
            only: 'switchover',
          } as const,
        ]),
  ]
}
