import type { Action } from '../../../driver/action.ts'
import type { Plain } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Manifest, manifestIn, manifestQuery, newestManifest } from '../../../systems/postgres/restore-manifest.ts'
import { reachesAsFar } from '../../../systems/postgres/wal.ts'
import type { JsonObject } from '../../../values/json.ts'
import { stampOf } from '../../../values/stamp.ts'
import { clusterOfRun, type DatabaseRun, instanceOf, siteOf, sqlOf } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { archiveFolder, type CloudNativePgSpec } from '../spec.ts'
import type { BackedUp } from './base-backup.ts'

export type WriteManifest = {
  readonly cluster: string
  /** The step whose backup it describes. */
  readonly backup: string
}
interface Written extends Proof {
  /** The {@link Manifest}. */
  readonly record: JsonObject
}

const behaviour: Plain<CloudNativePgSpec, WriteManifest, Written> = {
  is: 'plain',
  async done(run) {
    const { serverName } = backedUp(run)
    const newest = await newestManifest(run.component, serverName, run.context).catch(noneThatIsSound)
    if (newest === null || newest.takenAt < run.begunAt) return { is: 'pending', waitingFor: 'the manifest' }
    const shipped = (await instanceOf(run, await clusterOfRun(run)))?.lastArchivedWAL ?? ''
    if (!reachesAsFar(shipped, newest.segment)) return { is: 'pending', waitingFor: `${newest.segment} to be archived` }
    return { is: 'done', proof: { record: newest as unknown as JsonObject } }
  },
  async apply(run) {
    const record = await measure(run)
    const name = `${run.component.name}/${record.serverName}/${record.takenAt}`
    await run.context.records.write('backups', name, record as unknown as JsonObject)
  },
  back: { is: 'leaves-nothing', because: 'a manifest describes a backup, and hurts no move' },
}

function backedUp(run: DatabaseRun<WriteManifest>): Pick<BackedUp, 'backupId' | 'serverName'> {
  const taken = run.proofOf<BackedUp>({ id: run.step.parameters.backup })
  return { backupId: taken?.backupId ?? '', serverName: taken?.serverName ?? '' }
}

async function measure(run: DatabaseRun<WriteManifest>): Promise<Manifest> {
  const { backupId, serverName } = backedUp(run)
  const takenAt = new Date(run.context.clock.now()).toISOString()
  const restorePoint = `standby-${stampOf(takenAt)}`
  const { database, manifest: counted } = run.component.spec
  const rows = await sqlOf(run, `\\connect ${database}\n${manifestQuery(counted?.tables ?? [], restorePoint)}`)
  const bytes = await bytesOf(run, `${serverName}/base/${backupId}/`)
  return manifestIn(rows, { takenAt, backupId, serverName, restorePoint, bytes })
}

/** Size of the base backup in its store; null where it is empty. Nothing reads the backup again before it is needed. */
async function bytesOf(run: DatabaseRun, folder: string): Promise<number | null> {
  const store = await run.context.objectStore(run.component.spec.archive.store, siteOf(run)).open('read')
  const objects = await store.list(`${archiveFolder(run.component)}${folder}`, { signal: run.signal })
  return objects.length === 0 ? null : objects.reduce((sum, object) => sum + object.bytes, 0)
}

/** A damaged manifest does not keep a sound one from being written. */
function noneThatIsSound(error: unknown): null {
  if (asStandbyError(error).code !== 'witness-damaged') throw error
  return null
}

export const manifest: Action<CloudNativePgSpec, WriteManifest, Written> = {
  name: 'manifest',
  parameters: parametersOf<WriteManifest>({ cluster: TEXT, backup: TEXT }),
  behaviour,
  byHand: {
    say(component, { site, parameters: { cluster } }, around) {
      const tables = component.spec.manifest?.tables ?? []
      return {
        commands: [
          clusterShell(component, { site, cluster }, around).psql(
            ...tables.map((table) => `SELECT '${table}', count(*) FROM ${table}`),
          ),
        ],
        expect:
          'Write the counts down beside the backup. Restore tests judge by the manifest of the next backup that Standby takes.',
      }
    },
  },
}
