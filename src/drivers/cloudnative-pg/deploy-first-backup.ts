import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import { minutes } from '../../duration.ts'
import type { DeployUnit } from '../../planning/driver.ts'
import { backupManifest } from './manifests.ts'
import { BACKUP } from './objects.ts'
import { type Place, unitId } from './place.ts'
import { clusterOf } from './spec.ts'

/** A passive cluster begins as a copy of a backup: the active one must have one. */
export function firstBackupUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const kubernetes = context.kubernetes(site)
  const { namespace } = component.spec
  const name = `${clusterOf(component, site)}-first`
  const completed = async (signal: AbortSignal): Promise<boolean> => {
    const backups = await kubernetes.list(BACKUP, { namespace }, { signal })
    return backups.some((backup) => clusterNameOf(backup) === clusterOf(component, site) && phaseOf(backup) === 'completed')
  }
  return {
    id: unitId(place, 'first-backup'),
    site,
    needs: [unitId(place, 'cluster')],
    title: `The first base backup of ${clusterOf(component, site)}`,
    deadline: minutes(30),
    diff: async (signal) =>
      (await completed(signal).catch(() => false)) ? [] : [{ kind: 'create', object: `${namespace}/Backup/${name}` }],
    async apply(signal) {
      const found = await kubernetes.get({ ...BACKUP, namespace, name }, { signal })
      if (found !== null && phaseOf(found) === 'failed') await kubernetes.remove({ ...BACKUP, namespace, name }, { signal })
      if (found === null || phaseOf(found) === 'failed')
        await kubernetes.create(backupManifest(component, context.stack, site, name), { signal })
    },
    async ready(signal) {
      const found = await kubernetes.get({ ...BACKUP, namespace, name }, { signal })
      if (phaseOf(found) === 'failed')
        return { is: 'failed', code: 'backup-failed', why: errorOf(found), next: `kubectl -n ${namespace} describe backup ${name}` }
      return (await completed(signal))
        ? { is: 'done', proof: { backup: name } }
        : { is: 'pending', waitingFor: `the backup ${name}: ${phaseOf(found) || 'not begun'}` }
    },
  }
}

const phaseOf = (backup: KubernetesObject | null): string => (backup?.status as { phase?: string } | undefined)?.phase ?? ''
const errorOf = (backup: KubernetesObject | null): string =>
  (backup?.status as { error?: string } | undefined)?.error ?? 'the backup failed'
const clusterNameOf = (backup: KubernetesObject): string => (backup.spec as { cluster: { name: string } }).cluster.name
