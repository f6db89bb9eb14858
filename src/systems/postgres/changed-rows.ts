import type { ChangedRow } from './divergent-wal.ts'

/** Beside the counts: one line for each row, under the name that its table has. */
export const ROWS_FILE = 'rows.tsv'

const HEAD = 'table\tchange\tctid\ttransaction\tcommitted at'

/** Rows of relations that `tableOf` does not know are no rows of users. */
export function changedRows(rows: readonly ChangedRow[], tableOf: (relation: string) => string | null): string {
  const lines = rows.flatMap(({ relation, change, ctid, transaction, committedAt }) => {
    const table = tableOf(relation)
    return table === null ? [] : [[table, change, ctid, transaction, committedAt].join('\t')]
  })
  return [HEAD, ...lines, ''].join('\n')
}
