/** What the head of a dump says of itself. */
export interface DumpListing {
  readonly database: string | null
  /** ISO 8601. A dump holds the wall clock of where it was taken, without a time zone: it is read as UTC. */
  readonly createdAt: string | null
}

/**
 * Reads what `pg_restore --list` writes in the locale C and the time zone UTC: comments before the entries, such as
 * `; Archive created at 2026-11-30 09:00:00 UTC` and `;     dbname: app` (pg_backup_archiver.c, PrintTOCSummary). Pure.
 */
export function listingIn(output: string): DumpListing {
  const created = /^; Archive created at (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/m.exec(output)
  return {
    database: /^;\s+dbname: (.+)$/m.exec(output)?.[1] ?? null,
    createdAt: created === null ? null : `${created[1]}T${created[2]}.000Z`,
  }
}
