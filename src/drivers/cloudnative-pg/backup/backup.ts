import type { PlannedStep } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Manifest, manifestIn, manifestQuery, newestManifest } from '../../../systems/postgres/restore-manifest.ts'
import { reachesAsFar } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { digitsOf, stampOf } from '../../../values/stamp.ts'
import { backupManifest } from '../deploy/manifests.ts'
import { BACKUP, serverNameOf } from '../objects.ts'
import { archiveFolder, type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { clusterOfRun, instanceOf, namespaceOf, type Run, sqlOf } from '../where.ts'

/** A base backup now, and the manifest that a restore test is judged against. */
export function backupSteps(component: Database, site: SiteName): PlannedStep[] {
  const cluster = clusterOf(component, site)
  return [
    plannedStep(component, 'backup', site, {
      phase: 'PROTECT',
      title: `Takes a base backup of ${cluster}`,
      deadline: minutes(60),
      expected: seconds(10),
      parameters: { cluster },
    }),
    plannedStep(component, 'manifest', site, {
      phase: 'PROTECT',
      needs: [stepId(component, 'backup', site)],
      title: `Writes down what a restore of ${cluster} must contain`,
      deadline: minutes(10),
      expected: seconds(4),
      parameters: { cluster, backup: stepId(component, 'backup', site) },
    }),
  ]
}

export const backup: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const found = await kubernetesOf(run).get(
      { ...BACKUP, namespace: namespaceOf(run), name: backupName(run) },
      { signal: run.signal },
    )
    const status = (found?.status ?? {}) as {
      phase?: string
      error?: string
      backupId?: string
      serverName?: string
      stoppedAt?: string
      beginWal?: string
      endWal?: string
    }
    const { phase = 'not begun' } = status
    if (['failed', 'walArchivingFailing', 'invalid backup definition'].includes(phase))
      return {
        is: 'failed',
        code: 'backup-failed',
        why: `${backupName(run)}: ${phase} ${status.error ?? ''}`,
        next: `kubectl -n ${namespaceOf(run)} describe backup ${backupName(run)}`,
      }
    if (phase !== 'completed') return { is: 'pending', waitingFor: `the backup ${backupName(run)}: ${phase}` }
    const serverName = status.serverName ?? serverNameOf(await clusterOfRun(run)) ?? ''
    return {
      is: 'done',
      proof: {
        backup: backupName(run),
        backupId: status.backupId ?? '',
        serverName,
        stoppedAt: status.stoppedAt ?? '',
        beginWal: status.beginWal ?? '',
        endWal: status.endWal ?? '',
      },
    }
  },
  async apply(run) {
    const found = await kubernetesOf(run).get(
      { ...BACKUP, namespace: namespaceOf(run), name: backupName(run) },
      { signal: run.signal },
    )
    if (found === null)
      await kubernetesOf(run).create(backupManifest(run.component, run.context.stack, siteOf(run), backupName(run)), {
        signal: run.signal,
      })
  },
  changes: (run) =>
    kubernetesOf(run).watch({ ...BACKUP, namespace: namespaceOf(run), name: backupName(run) }, run.signal),
}

/** One name per begin, so that a second call of the same run finds the first one's backup. */
const backupName = (run: Run): string => `${parameter(run.step, 'cluster')}-${digitsOf(run.begunAt)}`

export const manifest: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const newest = await newestManifest(run.component, backupProof(run).serverName, run.context).catch(noneThatIsSound)
    if (newest === null || newest.takenAt < run.begunAt) return { is: 'pending', waitingFor: 'the manifest' }
    const shipped = (await instanceOf(run, await clusterOfRun(run)))?.lastArchivedWAL ?? ''
    if (!reachesAsFar(shipped, newest.segment)) return { is: 'pending', waitingFor: `${newest.segment} to be archived` }
    return { is: 'done', proof: { record: newest as unknown as JsonObject } }
  },
  async apply(run) {
    const { backupId, serverName } = backupProof(run)
    const record = await measure(run, backupId, serverName)
    await run.context.records.write(
      'backups',
      `${run.component.name}/${serverName}/${record.takenAt}`,
      record as unknown as JsonObject,
    )
  },
}

function backupProof(run: Run): { readonly backupId: string; readonly serverName: string } {
  const proof = run.proofOf(parameter(run.step, 'backup'))
  return { backupId: String(proof?.backupId ?? ''), serverName: String(proof?.serverName ?? '') }
}

async function measure(run: Run, backupId: string, serverName: string): Promise<Manifest> {
  const takenAt = new Date(run.context.clock.now()).toISOString()
  const restorePoint = `standby-${stampOf(takenAt)}`
  const { database, manifest: counted } = run.component.spec
  const rows = await sqlOf(run, `\\connect ${database}\n${manifestQuery(counted?.tables ?? [], restorePoint)}`)
  const bytes = await bytesOf(run, backupId, serverName)
  return manifestIn(rows, { takenAt, backupId, serverName, restorePoint, bytes })
}

/** Size of the base backup as it lies in the store: nobody else reads it again before it is needed. */
async function bytesOf(run: Run, backupId: string, serverName: string): Promise<number | null> {
  const { store: component } = run.component.spec.archive
  const store = await run.context.objectStore(component, siteOf(run)).open('read')
  const objects = await store.list(`${archiveFolder(run.component)}${serverName}/base/${backupId}/`, {
    signal: run.signal,
  })
  return objects.length === 0 ? null : objects.reduce((sum, object) => sum + object.bytes, 0)
}

/** A damaged manifest keeps nobody from writing a sound one. */
function noneThatIsSound(error: unknown): null {
  if (asStandbyError(error).code !== 'witness-damaged') throw error
  return null
}
