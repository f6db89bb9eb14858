import type { SqlRows } from '../../driver/context.ts'
import { lastWords } from '../../values/last-words.ts'

/** Rows as text, or why PostgreSQL gave none. */
export type PsqlAnswer =
  | { readonly is: 'rows'; readonly rows: SqlRows }
  | { readonly is: 'refused'; readonly text: string }

/** Between fields: no text of a database is likely to hold it; a NUL, which ends each row, cannot be in one. */
export const FIELD_END = '\u001f'
/** Options of psql, for a shell: it reads the query from its standard input, and prints what `psqlAnswer` reads. */
export const PSQL_OPTIONS = `-X -q -A -t -0 -F "$(printf '\\037')" -v ON_ERROR_STOP=1 -f -`

/** What psql answered to one query with `PSQL_OPTIONS`. Pure. */
export function psqlAnswer(ended: {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}): PsqlAnswer {
  if (ended.code !== 0) return { is: 'refused', text: lastWords(ended.stderr) }
  const rows = ended.stdout.split('\0').slice(0, -1)
  return { is: 'rows', rows: rows.map((row) => row.split(FIELD_END)) }
}
