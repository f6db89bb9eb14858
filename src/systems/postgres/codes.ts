/** Reason codes of every kind of PostgreSQL: a driver declares them together with its own. */
export const POSTGRES_CODES = {
  'database-silent': 'The database of a site cannot be read.',
  'another-database': 'A database is another one than that on record, or than its copy on another site.',
  'history-forked': 'The replica has what its primary does not have: their histories parted.',
  'replay-paused': 'The replica does not replay.',
  'not-streaming': 'The replica does not stream from its primary, and streaming is what it follows by.',
  'too-far-behind': 'The replica is too far behind for a move.',
  'archiving-failing': 'WAL cannot be archived.',
  'delayed-replica':
    'The replica applies with a delay: it excludes a promotion without loss, and a failover would wait for it.',
  'database-version-differs': 'Two sites have different major versions of PostgreSQL: one cannot follow the other.',
  'database-version-older': 'A passive site runs an older minor version of PostgreSQL than the active one.',
  'replica-setting-lower':
    'A setting of a passive cluster is lower than that of the active one, and PostgreSQL would stop to replay.',
  'not-a-replica': 'The side that should take over is a primary already, or follows no cluster.',
  'another-site-ahead': 'Another passive site holds more of the lost one than the one that takes over.',
} as const

/** Reason codes of every kind of PostgreSQL whose backups are base backups with all WAL after them. */
export const BACKUP_CODES = {
  'archiving-failing': POSTGRES_CODES['archiving-failing'],
  'backup-failed': 'A backup failed.',
  'backup-old': 'The last backup is older than the objective.',
  'no-backup': 'There is no completed backup.',
  'archive-forked': 'A failover cut this history off: its newest state holds data that no user was ever served.',
} as const
