import type { Observed } from '../../../../src/domain/observed.ts'
import type { BackupObject } from '../../../../src/drivers/cloudnative-pg/backup/completed-backups.ts'
import type { Upstream } from '../../../../src/drivers/cloudnative-pg/failover/upstream.ts'
import type { ClusterObject, InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import { type CloudNativePgState, stateOf } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { asSegmentBytes, type SegmentBytes } from '../../../../src/systems/postgres/wal.ts'

export function segmentsOf(megabytes: number): SegmentBytes {
  const segments = asSegmentBytes(megabytes * 1024 * 1024)
  if (segments === null) throw new Error(`no PostgreSQL has segments of ${megabytes} MB`)
  return segments
}
/** The default of initdb. */
export const MB16 = segmentsOf(16)

export const cluster = (
  name: string,
  spec: object = {},
  status: object = {},
  annotations: Record<string, string> = {},
): ClusterObject => ({
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'Cluster',
  metadata: { name, uid: `uid-${name}`, annotations },
  spec: {
    instances: 1,
    imageName: 'postgresql:16',
    smartShutdownTimeout: 0,
    primaryUpdateMethod: 'restart',
    replica: { self: name, primary: 'pg-dc-a', source: name === 'pg-dc-a' ? 'pg-dc-b' : 'pg-dc-a' },
    plugins: [{ name: 'barman-cloud.cloudnative-pg.io', parameters: { serverName: `${name}-g1` } }],
    ...spec,
  },
  status: {
    phase: 'Cluster in healthy state',
    readyInstances: 1,
    currentPrimary: `${name}-1`,
    targetPrimary: `${name}-1`,
    systemID: '77',
    conditions: [{ type: 'ContinuousArchiving', status: 'True' }],
    pluginStatus: [{ name: 'barman-cloud.cloudnative-pg.io', version: '0.14.0' }],
    ...status,
  },
})
export const primary: InstanceStatus = {
  isPrimary: true,
  timeLineID: 3,
  currentLsn: '0/9000000',
  systemID: '77',
  lastArchivedWAL: '000000030000000000000008',
  lastArchivedWALTime: '2026-11-21T05:59:50Z',
  instanceManagerVersion: '1.30.0',
}
export const replica: InstanceStatus = {
  isPrimary: false,
  timeLineID: 3,
  replayLsn: '0/9000000',
  isWalReceiverActive: true,
  instanceManagerVersion: '1.30.0',
}
/** A backup of the cluster as it is; `more` says of which one it is otherwise. */
export const backup = (
  phase: string,
  stoppedAt = '2026-11-21T02:15:30Z',
  more: BackupObject['status'] = {},
): BackupObject => ({
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'Backup',
  metadata: { name: `b-${phase}` },
  spec: { cluster: { name: 'pg-dc-a' } },
  status: { phase, backupId: '20261121T021500', stoppedAt, pluginMetadata: { clusterUID: 'uid-pg-dc-a' }, ...more },
})
export const secrets = { 'pg-superuser': 'one', 'pg-infisical': 'two' }

export interface Change {
  readonly a?: {
    spec?: object
    status?: object
    annotations?: Record<string, string>
    instance?: Partial<InstanceStatus> | null
    secrets?: Record<string, string | null>
    upstream?: Upstream | null
    forked?: boolean
    segmentBytes?: SegmentBytes | null
    backups?: readonly BackupObject[]
  }
  readonly b?: Change['a']
  /** Those of dc-a, which is active. */
  readonly backups?: readonly BackupObject[]
}
/** Both sides as they are when all is well, changed where a test says so. */
export function states(change: Change = {}): Record<string, Observed<CloudNativePgState>> {
  const one = (
    name: string,
    base: InstanceStatus,
    by: Change['a'] = {},
    backups: readonly BackupObject[] = by.backups ?? [],
  ): Observed<CloudNativePgState> => ({
    kind: 'answering',
    state: stateOf(
      cluster(name, by.spec, by.status, by.annotations),
      by.instance === null ? null : { ...base, ...by.instance },
      backups,
      by.secrets ?? secrets,
      {
        upstream: by.upstream ?? null,
        forked: by.forked ?? false,
        segmentBytes: by.segmentBytes === undefined ? MB16 : by.segmentBytes,
      },
    ),
    role: { ...base, ...by.instance }.isPrimary ? 'active' : 'passive',
    health: 'healthy',
    text: '',
    facts: [],
  })
  return {
    'dc-a': one('pg-dc-a', primary, change.a, change.backups ?? [backup('completed')]),
    'dc-b': one('pg-dc-b', replica, change.b),
  }
}

/** What `pg_controldata` prints, as far as it is read. */
export const controlFile = (state: string): string =>
  `Database cluster state:               ${state}\nLatest checkpoint location:           0/5000060\nLatest checkpoint's TimeLineID:       3\nBytes per WAL segment:                16777216\n`
