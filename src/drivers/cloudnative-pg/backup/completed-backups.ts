import type { KubernetesClient, KubernetesObject } from '../../../clients/kubernetes-client.ts'
import { BACKUP, type ClusterObject, serverNameOf } from '../objects.ts'

/**
 * The fields of a Backup that this driver reads. The operator's own archiver writes serverName, the plugin
 * pluginMetadata.
 */
export interface BackupObject extends KubernetesObject {
  readonly spec: { readonly cluster: { readonly name: string } }
  readonly status?: {
    readonly phase?: string
    readonly error?: string
    readonly backupId?: string
    readonly serverName?: string
    /** ISO 8601. */
    readonly stoppedAt?: string
    /** Names of its first and last segment. */
    readonly beginWal?: string
    readonly endWal?: string
    readonly pluginMetadata?: { readonly clusterUID?: string }
  }
}

export async function backupsIn(
  kubernetes: KubernetesClient,
  namespace: string,
  signal: AbortSignal,
): Promise<BackupObject[]> {
  return (await kubernetes.list(BACKUP, { namespace }, { signal })) as BackupObject[]
}

/**
 * The backups from which this very incarnation can be copied, oldest first. A Backup outlives its Cluster: one of a
 * former incarnation under the same name lies in another archive, and a clone that counts on it finds nothing. The
 * plugin knows its own by the UID, as its retention does (plugin-barman-cloud 0.14,
 * internal/cnpgi/instance/retention.go, line 265). Pure.
 */
export function completedBackups(backups: readonly BackupObject[], cluster: ClusterObject): BackupObject[] {
  const endOf = ({ status }: BackupObject): string => status?.stoppedAt ?? ''
  return backups
    .filter((backup) => backup.spec.cluster.name === cluster.metadata.name && backup.status?.phase === 'completed')
    .filter(({ status }) => (status?.serverName ?? serverNameOf(cluster)) === serverNameOf(cluster))
    .filter(({ status }) => (status?.pluginMetadata?.clusterUID ?? cluster.metadata.uid) === cluster.metadata.uid)
    .sort((a, b) => (endOf(a) < endOf(b) ? -1 : 1))
}
