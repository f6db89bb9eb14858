import type { DeployUnit } from '../../../driver/deployment.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { newestBackup } from '../../../systems/postgres/barman-archive.ts'
import { minutes } from '../../../values/duration.ts'
import { type BackupObject, backupsIn, completedBackups } from '../backup/completed-backups.ts'
import { codes } from '../codes.ts'
import { BACKUP, type ClusterObject, readCluster, serverNameOf } from '../objects.ts'
import { clusterOf, firstServerName, incarnationFolder } from '../spec.ts'
import { backupManifest } from './manifests.ts'
import { type Place, unitId } from './place.ts'

/** A passive cluster begins as a copy of a backup: the active one must have one, in the archive that it writes now. */
export function firstBackupUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const kubernetes = context.platform(KUBERNETES, site)
  const { namespace } = component.spec
  const look = async (signal: AbortSignal): Promise<Look> => {
    const [cluster, backups] = await Promise.all([
      readCluster(kubernetes, namespace, clusterOf(component, site), signal),
      backupsIn(kubernetes, namespace, signal),
    ])
    const name = `${(cluster === null ? null : serverNameOf(cluster)) ?? firstServerName(clusterOf(component, site))}-first`
    const found = backups.find((backup) => backup.metadata.name === name)
    const completed =
      cluster !== null && completedBackups(backups, cluster).length > 0 && (await isArchived(place, cluster, signal))
    return { name, found, completed }
  }
  return {
    id: unitId(place, 'first-backup'),
    site,
    needs: [unitId(place, 'cluster')],
    title: `The first base backup of ${clusterOf(component, site)}`,
    deadline: minutes(30),
    async diff(signal) {
      // Before the first deploy not even the kind exists.
      const { name, completed } = await look(signal).catch(
        (): Look => ({ name: 'first', found: undefined, completed: false }),
      )
      return completed ? [] : [{ kind: 'create', object: `${namespace}/Backup/${name}` }]
    },
    async apply(signal) {
      const { name, found } = await look(signal)
      // One that ended is of no use here: it failed, or is of a cluster that is gone.
      const ended = ['completed', 'failed'].includes(phaseOf(found))
      if (ended) await kubernetes.remove({ ...BACKUP, namespace, name }, { signal })
      if (ended || found === undefined)
        await kubernetes.create(backupManifest(component, context.stack, site, name), { signal })
    },
    async ready(signal) {
      const { name, found, completed } = await look(signal)
      if (completed) return { is: 'done', proof: { backup: name } }
      return phaseOf(found) === 'failed'
        ? {
            is: 'failed',
            code: codes.code['backup-failed'],
            why: found?.status?.error ?? 'the backup failed',
            next: `kubectl -n ${namespace} describe backup ${name}`,
          }
        : { is: 'pending', waitingFor: `the backup ${name}: ${phaseOf(found) || 'not begun'}` }
    },
  }
}

/**
 * A Backup object may be of another archive, as of before an adoption: the archive itself decides, where it answers.
 */
async function isArchived(
  { component, site, context }: Place,
  cluster: ClusterObject,
  signal: AbortSignal,
): Promise<boolean> {
  const serverName = serverNameOf(cluster)
  if (serverName === null) return false
  try {
    const store = await context.objectStore(component.spec.archive.store, site).open('read')
    return (await newestBackup(store, incarnationFolder(component, serverName), signal)) !== null
  } catch (error) {
    signal.throwIfAborted()
    context.log.debug(`${component.name}@${site}: ${asStandbyError(error).message}`)
    return true
  }
}

interface Look {
  readonly name: string
  readonly found: BackupObject | undefined
  readonly completed: boolean
}

const phaseOf = (backup: BackupObject | undefined): string => backup?.status?.phase ?? ''
