import type { SqlRows } from '../../driver/context.ts'
import { countQuery, countsOf } from './count-rows.ts'
import { extensionsIn, factsIn } from './restore-manifest.ts'

/** What a restored copy says of itself. */
export interface RestoredFacts {
  readonly inRecovery: boolean
  readonly systemId: string
  readonly timeline: number
  /** Where the recovery ended (LSN): the copy's own writes come after it. */
  readonly recoveredTo: string
  /** Rows per table; null: the table does not exist. */
  readonly counts: Readonly<Record<string, number | null>>
  readonly extensions: readonly string[]
  /** What pg_amcheck found; null where the extension is not installed. */
  readonly corruption: readonly string[] | null
}

/**
 * SQL of a superuser in the restored database. The last line of the timeline's history file names the position at which
 * the copy left the archive. Its current position says nothing: after a recovery that ended too early it goes on from
 * there, past any mark that is near.
 */
export const factsQuery = (
  tables: readonly string[],
): string => `SELECT 'fact', 'inRecovery', pg_is_in_recovery()::text;
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'timeline', timeline_id::text FROM pg_control_checkpoint();
SELECT 'fact', 'recoveredTo', split_part(line, E'\\t', 2)
  FROM pg_control_checkpoint(),
       regexp_split_to_table(pg_read_file('pg_wal/' || upper(lpad(to_hex(timeline_id), 8, '0')) || '.history'), E'\\n') WITH ORDINALITY AS history(line, number)
  WHERE line ~ '^[0-9]' ORDER BY number DESC LIMIT 1;
SELECT 'extension', extname || ' ' || extversion, '' FROM pg_extension;
${countQuery(tables)}`

/** The facts in the rows of {@link factsQuery}, and what {@link corruptionIn} says. Pure. */
export function restoredFacts(rows: SqlRows, corruption: RestoredFacts['corruption']): RestoredFacts {
  const fact = factsIn(rows)
  return {
    inRecovery: fact('inRecovery') !== 'false',
    systemId: fact('systemId'),
    timeline: Number(fact('timeline')),
    recoveredTo: fact('recoveredTo'),
    counts: countsOf(rows),
    extensions: extensionsIn(rows),
    corruption,
  }
}

/** Checks every index and heap of a database; the only thing that it writes is the extension amcheck. */
export const amcheck = (database: string): string[] => [
  ...['pg_amcheck', '-U', 'postgres', '--install-missing', '--heapallindexed'],
  `--database=${database}`,
]

/** What `pg_amcheck` says: nothing, the corruption that it found (exit code 2), or why it could not look (1). Pure. */
export function corruptionIn(answer: {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}): readonly string[] | { readonly unknown: string } {
  if (answer.code === 0) return []
  const lines = `${answer.stdout}\n${answer.stderr}`.split('\n').filter((line) => line.trim() !== '')
  return answer.code === 2 ? lines.slice(0, 5) : { unknown: lines[0] ?? `exit code ${answer.code}` }
}
