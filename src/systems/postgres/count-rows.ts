import type { SqlRows } from '../../driver/context.ts'

/**
 * Counts of the tables, in the snapshot of the transaction around it. A table that does not exist has no count and is
 * no error: a backup is good before the application has made its tables. (`query_to_xml` runs the inner query only
 * where the outer one knows the table.)
 */
export function countQuery(tables: readonly string[]): string {
  return tables
    .map((table) => {
      const name = literal(quoted(table))
      const count = `(xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || ${name}, false, true, '')))[1]::text`
      return `SELECT 'count', ${literal(table)}, CASE WHEN to_regclass(${name}) IS NULL THEN '' ELSE ${count} END;`
    })
    .join('\n')
}

export function countsOf(rows: SqlRows): Record<string, number | null> {
  const counts = rows.filter((row) => row[0] === 'count')
  return Object.fromEntries(
    counts.map((row) => [row[1] ?? '', row[2] === undefined || row[2] === '' ? null : Number(row[2])]),
  )
}

/** `audit.logs` as `"audit"."logs"`. */
const quoted = (table: string): string =>
  table
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.')

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
