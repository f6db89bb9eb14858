import type { SqlRows } from '../../driver/context.ts'
import { documentKind } from '../../witness/decode.ts'
import type { Records } from '../../witness/records.ts'
import { countQuery, countsOf } from './count-rows.ts'
import { parseLsn } from './wal.ts'

/** What a restored copy must at least contain, written down when its backup was taken. */
export interface Manifest {
  readonly schemaVersion: 1
  /** ISO 8601. */
  readonly takenAt: string
  readonly backupId: string
  /** Under which name the history is archived. */
  readonly serverName: string
  /** Position of the restore point (LSN): it comes after the counted snapshot. */
  readonly lsn: string
  readonly timeline: number
  readonly systemId: string
  readonly serverVersion: string
  readonly restorePoint: string
  /** Name of the segment that holds the restore point: a restore needs all WAL up to it. */
  readonly segment: string
  /** Rows per table; null: the table did not exist. */
  readonly counts: Readonly<Record<string, number | null>>
  /** `plpgsql 1.0`. */
  readonly extensions: readonly string[]
  /** Size of the base backup in its store; null: not known. */
  readonly bytes: number | null
}

const text = { type: 'string', maxLength: 256 } as const
export const manifestDocument = documentKind<Manifest>(
  {
    type: 'object',
    required: [
      ...['schemaVersion', 'takenAt', 'backupId', 'serverName', 'lsn', 'timeline', 'systemId', 'serverVersion'],
      ...['restorePoint', 'segment', 'counts', 'extensions', 'bytes'],
    ],
    properties: {
      schemaVersion: { const: 1 },
      takenAt: { type: 'string', format: 'date-time' },
      backupId: text,
      serverName: text,
      lsn: text,
      timeline: { type: 'integer', minimum: 0 },
      systemId: text,
      serverVersion: text,
      restorePoint: text,
      segment: text,
      counts: { type: 'object', additionalProperties: { type: ['integer', 'null'], minimum: 0 } },
      extensions: { type: 'array', items: text },
      bytes: { type: ['integer', 'null'], minimum: 0 },
    },
  },
  'Take a new backup: standby backup.',
)

/**
 * The newest manifest of a history; null when none was ever taken. Throws `witness-damaged` when none of those that
 * exist can be read.
 */
export async function newestManifest(
  component: { readonly name: string },
  serverName: string,
  { records }: { readonly records: Records },
): Promise<Manifest | null> {
  const of = ({ lsn }: Manifest): boolean => parseLsn(lsn) !== null
  return (await records.newest('backups', `${component.name}/${serverName}/`, manifestDocument, of))?.record ?? null
}

/**
 * SQL of a superuser in the database whose tables are counted. It counts in one snapshot, then sets a restore point
 * after it and switches the segment: a restore up to the newest WAL cannot hold less. `restorePoint` is no user input.
 */
export const manifestQuery = (tables: readonly string[], restorePoint: string): string =>
  `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${countQuery(tables)}
SELECT 'extension', extname || ' ' || extversion, '' FROM pg_extension;
COMMIT;
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'version', current_setting('server_version');
SELECT 'fact', 'timeline', timeline_id::text FROM pg_control_checkpoint();
SELECT 'fact', 'lsn', pg_create_restore_point('${restorePoint}')::text;
CHECKPOINT;
SELECT 'fact', 'segment', pg_walfile_name(pg_switch_wal());`

/** The manifest in the rows of {@link manifestQuery}. Pure. */
export function manifestIn(
  rows: SqlRows,
  taken: Pick<Manifest, 'takenAt' | 'backupId' | 'serverName' | 'restorePoint' | 'bytes'>,
): Manifest {
  const fact = factsIn(rows)
  return {
    schemaVersion: 1,
    ...taken,
    lsn: fact('lsn'),
    timeline: Number(fact('timeline')),
    systemId: fact('systemId'),
    serverVersion: fact('version'),
    segment: fact('segment'),
    counts: countsOf(rows),
    extensions: extensionsIn(rows),
  }
}

/** Values of the rows `fact`, name, value; empty where there is none. Pure. */
export const factsIn =
  (rows: SqlRows) =>
  (name: string): string =>
    rows.find((row) => row[0] === 'fact' && row[1] === name)?.[2] ?? ''

/** Values of the rows `extension`, value. Pure. */
export const extensionsIn = (rows: SqlRows): string[] =>
  rows.filter((row) => row[0] === 'extension').map((row) => row[1] ?? '')
