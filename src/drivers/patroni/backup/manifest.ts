import type { SiteName } from '../../../domain/stack.ts'
import { type Action, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Manifest, manifestIn, manifestQuery, newestManifest } from '../../../systems/postgres/restore-manifest.ts'
import { reachesAsFar } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { stampOf } from '../../../values/stamp.ts'
import { hostOf, type MemberHost } from '../host.ts'
import { type DatabaseRun, primaryOf, siteOf } from '../run.ts'
import { anyMember } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { type BackedUp, backup } from './base-backup.ts'
import { backupsOf } from './declared.ts'
import { filesIn } from './repository.ts'

/** The step whose backup it describes. */
export type WriteManifest = { readonly backup: string }
interface Written extends Proof {
  /** The {@link Manifest}. */
  readonly record: JsonObject
}
type Run = DatabaseRun<WriteManifest>

/** What a restore of the site's backup must contain. */
export function manifestStep(component: Database, site: SiteName) {
  const taken = stepOf(component, backup, site)
  return planStep(manifest, site, {
    phase: 'PROTECT',
    needs: [taken],
    title: `Writes down what a restore of ${clusterNamed(component, site)} must contain`,
    deadline: minutes(10),
    expected: seconds(4),
    parameters: { backup: taken.id },
  })
}

const behaviour: Plain<PatroniSpec, WriteManifest, Written> = {
  is: 'plain',
  async done(run: Run): Promise<Seen<Written, never>> {
    const newest = await newestManifest(run.component, backedUp(run).stanza, run.context).catch(noneThatIsSound)
    if (newest === null || newest.takenAt < run.begunAt) return { is: 'pending', waitingFor: 'the manifest' }
    const [[archived = '']] = [...(await (await primary(run)).sql('postgres', ARCHIVED)), []]
    if (!reachesAsFar(archived, newest.segment))
      return { is: 'pending', waitingFor: `${newest.segment} to be archived` }
    return { is: 'done', proof: { record: newest as unknown as JsonObject } }
  },
  async apply(run: Run) {
    const record = await measure(run)
    const name = `${run.component.name}/${record.serverName}/${record.takenAt}`
    await run.context.records.write('backups', name, record as unknown as JsonObject)
  },
  back: { is: 'leaves-nothing', because: 'a manifest describes a backup, and hurts no move' },
}

export const manifest: Action<PatroniSpec, WriteManifest, Written> = {
  name: 'manifest',
  parameters: parametersOf<WriteManifest>({ backup: TEXT }),
  behaviour,
  byHand: {
    say(component, { site }) {
      const { database, server } = component.spec
      const counts = backupsOf(component).tables.map((table) => `SELECT '${table}', count(*) FROM ${table}`)
      return {
        commands: [
          `curl -sS ${anyMember(component, site)}/cluster   # which host has the primary?`,
          `ssh HOST sudo -u ${server.user ?? 'postgres'} psql -d ${database} -c ${quoted(counts.join(' UNION ALL '))}`,
        ],
        expect:
          'Write the counts down beside the backup. Restore tests judge by the manifest of the next backup that Standby takes.',
      }
    },
  },
}

/** Empty where nothing was archived yet. */
const ARCHIVED = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"

function backedUp(run: Run): Pick<BackedUp, 'backupId' | 'stanza'> {
  const taken = run.proofOf<BackedUp>({ id: run.step.parameters.backup })
  return { backupId: taken?.backupId ?? '', stanza: taken?.stanza ?? '' }
}

const primary = async (run: Run): Promise<MemberHost> =>
  hostOf(run.component, siteOf(run), await primaryOf(run, siteOf(run)), run.context, run.signal)

async function measure(run: Run): Promise<Manifest> {
  const { backupId, stanza } = backedUp(run)
  const takenAt = run.context.clock.now().toISOString()
  const restorePoint = `standby-${stampOf(takenAt)}`
  const host = await primary(run)
  const query = manifestQuery(backupsOf(run.component).tables, restorePoint)
  const rows = await host.sql(run.component.spec.database, query, COUNTED_WITHIN)
  const bytes = await bytesOf(host, stanza, backupId)
  return manifestIn(rows, { takenAt, backupId, serverName: stanza, restorePoint, bytes })
}
/** Large tables are counted row by row. */
const COUNTED_WITHIN = minutes(8)

/** Size of the base backup in its store; null where that is not known. */
async function bytesOf(host: MemberHost, stanza: string, label: string): Promise<number | null> {
  const { code, stdout } = await host.shell(LIST, [stanza, `backup/${stanza}/${label}`], minutes(2))
  const files = code === 0 ? filesIn(stdout) : new Map<string, number>()
  return files.size === 0 ? null : totalOf(files)
}
const LIST = 'exec pgbackrest --stanza="$0" --recurse --output=json repo-ls "$1"'

export const totalOf = (files: ReadonlyMap<string, number>): number =>
  [...files.values()].reduce((sum, bytes) => sum + bytes, 0)

/** A damaged manifest does not keep a sound one from being written. */
function noneThatIsSound(error: unknown): null {
  if (asStandbyError(error).code !== 'witness-damaged') throw error
  return null
}
