import type { SiteName } from '../../../domain/stack.ts'
import type { Action } from '../../../driver/action.ts'
import type { Plain } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { digitsOf } from '../../../values/stamp.ts'
import { codes } from '../codes.ts'
import { backupManifest } from '../deploy/manifests.ts'
import { BACKUP, serverNameOf } from '../objects.ts'
import { type ClusterRun, clusterOfRun, kubernetesOf, namespaceOf, type OfCluster, siteOf } from '../run.ts'
import { clusterShell } from '../shell.ts'
import type { CloudNativePgSpec } from '../spec.ts'
import type { BackupObject } from './completed-backups.ts'

/** A finished base backup, as the operator names it. */
export interface BackedUp extends Proof {
  /** metadata.name of the Backup. */
  readonly backup: string
  /** Its name in the archive. */
  readonly backupId: string
  readonly serverName: string
  /** ISO 8601. */
  readonly stoppedAt: string
  readonly beginWal: string
  readonly endWal: string
}

const FAILED = ['failed', 'walArchivingFailing', 'invalid backup definition']

const behaviour: Plain<CloudNativePgSpec, OfCluster, BackedUp> = {
  is: 'plain',
  async done(run) {
    const name = backupName(run)
    const status = (await readBackup(run))?.status ?? {}
    const { phase = 'not begun' } = status
    if (FAILED.includes(phase))
      return {
        is: 'failed',
        code: codes.code['backup-failed'],
        why: `${name}: ${phase} ${status.error ?? ''}`,
        next: `kubectl -n ${namespaceOf(run)} describe backup ${name}`,
      }
    if (phase !== 'completed') return { is: 'pending', waitingFor: `the backup ${name}: ${phase}` }
    return {
      is: 'done',
      proof: {
        backup: name,
        backupId: status.backupId ?? '',
        serverName: status.serverName ?? serverNameOf(await clusterOfRun(run)) ?? '',
        stoppedAt: status.stoppedAt ?? '',
        beginWal: status.beginWal ?? '',
        endWal: status.endWal ?? '',
      },
    }
  },
  async apply(run) {
    if ((await readBackup(run)) !== null) return
    const declared = backupManifest(run.component, run.context.stack, siteOf(run), backupName(run))
    await kubernetesOf(run).create(declared, { signal: run.signal })
  },
  changes: (run) => kubernetesOf(run).watch(refOfBackup(run), run.signal),
  back: { is: 'leaves-nothing', because: 'one more base backup hurts no move' },
}

/** One name per beginning of the step, so that a second call in the same run finds the backup of the first. */
const backupName = ({ step, begunAt }: ClusterRun): string => `${step.parameters.cluster}-${digitsOf(begunAt)}`
const refOfBackup = (run: ClusterRun) => ({ ...BACKUP, namespace: namespaceOf(run), name: backupName(run) })
const readBackup = async (run: ClusterRun): Promise<BackupObject | null> =>
  (await kubernetesOf(run).get(refOfBackup(run), { signal: run.signal })) as BackupObject | null

export const backup: Action<CloudNativePgSpec, OfCluster, BackedUp> = {
  name: 'backup',
  parameters: parametersOf<OfCluster>({ cluster: TEXT }),
  behaviour,
  byHand: {
    say(component, { site, parameters: { cluster } }, around) {
      const { kubectl } = clusterShell(component, { site, cluster }, around)
      const name = `${cluster}-by-hand`
      const object = backupManifest(component, around.stack, site as SiteName, name)
      return {
        commands: [
          `${kubectl} create -f - <<'END'\n${JSON.stringify(object)}\nEND`,
          `${kubectl} get backup ${name} -o jsonpath='{.status.phase}'`,
        ],
        expect: 'completed.',
      }
    },
  },
}
