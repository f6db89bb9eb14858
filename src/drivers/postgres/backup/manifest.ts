import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { parametersOf } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { countQuery } from '../../../systems/postgres/count-rows.ts'
import { type Manifest, manifestDocument, manifestIn } from '../../../systems/postgres/restore-manifest.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { askServer } from '../ask.ts'
import { siteOf } from '../run.ts'
import { byHandManifest } from '../runbook.ts'
import { type Database, type PostgresSpec, restoreOf, serverName } from '../spec.ts'

type Nothing = Record<string, never>

/** The step that counts what a declared restore must contain later; none where no restore is declared. Pure. */
export function manifestSteps(component: Database, site: SiteName): DriverStep[] {
  if (component.spec.restore === undefined) return []
  return [
    planStep(manifest, site, {
      phase: 'PROTECT',
      title: `Writes down what a restore of ${component.spec.database} of ${serverName(component, site)} must contain`,
      deadline: minutes(15),
      expected: seconds(4),
      parameters: {},
    }),
  ]
}

/** The newest manifest that was counted at `until` or before; null: there is none. Throws `witness-damaged`. */
export async function manifestUntil(
  component: Database,
  until: string,
  { records }: Pick<DriverContext, 'records'>,
): Promise<Manifest | null> {
  const meant = ({ takenAt }: Manifest): boolean => Date.parse(takenAt) <= Date.parse(until)
  return (await records.newest('backups', folderOf(component), manifestDocument, meant))?.record ?? null
}
/** Other drivers have the name of a server in place of `declared`. */
const folderOf = ({ name }: Database): string => `${name}/declared/`

const behaviour: Plain<PostgresSpec, Nothing, Proof> = {
  is: 'plain',
  async done({ component, context, begunAt }): Promise<Seen<Proof, never>> {
    const newest = await manifestUntil(component, LATEST, context).catch(noneThatIsSound)
    if (newest === null || newest.takenAt < begunAt) return { is: 'pending', waitingFor: 'the manifest' }
    return { is: 'done', proof: { details: { takenAt: newest.takenAt, counts: newest.counts } } }
  },
  async apply(run) {
    const { component, context, signal } = run
    const site = siteOf(run)
    const { tables, as } = restoreOf(component)
    const answer = await askServer(component, site, [question(tables)], { context, signal, deadline: minutes(10), as })
    if (answer.is === 'refused')
      throw siteError('sql-failed', `${serverName(component, site)} counts nothing: ${answer.text} (${answer.state})`, {
        retry: 'never',
        where: serverName(component, site),
        next: 'The role must read all counted tables (pg_read_all_data) and pg_control_system() (pg_monitor).',
      })
    // Read after the snapshot: a backup of this time or later has all that was counted.
    const takenAt = context.clock.now().toISOString()
    const record = manifestIn(answer.rows, {
      takenAt,
      backupId: '',
      serverName: 'declared',
      restorePoint: '',
      bytes: null,
    })
    await context.records.write('backups', `${folderOf(component)}${takenAt}`, record as unknown as JsonObject)
  },
  back: { is: 'leaves-nothing', because: 'a manifest hurts no move' },
}
const LATEST = '9999-12-31T23:59:59.999Z'

/** Counts in one snapshot, on a primary. */
const question = (tables: readonly string[]): string => `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${contentsOf(tables)}
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'version', current_setting('server_version');
SELECT 'fact', 'timeline', timeline_id::text FROM pg_control_checkpoint();
SELECT 'fact', 'lsn', pg_current_wal_lsn()::text;
SELECT 'fact', 'segment', pg_walfile_name(pg_current_wal_lsn());
COMMIT;`

/** What the manifest and the restored copy are compared by. */
export const contentsOf = (tables: readonly string[]): string => `${countQuery(tables)}
SELECT 'extension', extname || ' ' || extversion, '' FROM pg_extension ORDER BY extname;`

/** A damaged manifest does not keep a sound one from being written. */
function noneThatIsSound(error: unknown): null {
  if (asStandbyError(error).code !== 'witness-damaged') throw error
  return null
}

export const manifest: Action<PostgresSpec, Nothing> = {
  name: 'manifest',
  parameters: parametersOf<Nothing>({}),
  behaviour,
  byHand: byHandManifest,
}
