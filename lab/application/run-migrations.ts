import { BootRefused } from './boot-refused.ts'
import type { Database } from './database.ts'
import { log } from './log.ts'
import { type Migration, type MigrationState, migrationState } from './migration-state.ts'
import { type StartupLockTiming, startupLockTiming, withStartupLock } from './startup-lock.ts'

/** Advisory lock of those who create the bookkeeping tables at the same time; the number only has to be ours. */
const TABLES_LOCK = 7_263_101

/**
 * Brings the schema to what this image brings, once, whatever number of instances start; refuses where upstream does.
 */
export async function runMigrations(
  database: Database,
  migrations: readonly Migration[],
  signal: AbortSignal,
  timing: StartupLockTiming = startupLockTiming,
): Promise<void> {
  // A current database is only read, so that an instance can start on a replica.
  const before = await stateOf(database, migrations)
  if (before.kind === 'current') return log('info', 'No migrations pending: Skipping migration process.')
  if (before.kind === 'ahead')
    return log(
      'warn',
      'Database has migrations newer than this image [database=application]. Skipping startup migrations.',
      before,
    )
  refuseInvalid(before)
  await createBookkeeping(database)
  await withStartupLock(database, () => runPending(database, migrations), signal, timing)
  log('info', 'Migrations completed successfully')
}

async function stateOf(database: Database, migrations: readonly Migration[]): Promise<MigrationState> {
  const bundled = migrations.map(({ name }) => name)
  const [table] = await database.query<{ present: boolean }>(
    `SELECT to_regclass('infisical_migrations') IS NOT NULL AS present`,
  )
  if (table?.present !== true) return migrationState(bundled, [])
  const applied = await database.query<{ name: string }>('SELECT name FROM infisical_migrations ORDER BY id')
  return migrationState(
    bundled,
    applied.map(({ name }) => name),
  )
}

function refuseInvalid(state: MigrationState): void {
  if (state.kind !== 'invalid') return
  throw new BootRefused(
    'migration-history-invalid',
    [
      'Invalid migration history detected [database=application].',
      `Unknown applied migrations: ${state.unknown.join(', ')}.`,
      `Pending bundled migrations: ${state.pending.join(', ') || 'none'}.`,
    ].join(' '),
  )
}

/** Concurrent CREATE TABLE IF NOT EXISTS can fail on the catalogue's own unique index, hence the advisory lock. */
async function createBookkeeping(database: Database): Promise<void> {
  await database.transaction(async (query) => {
    await query('SELECT pg_advisory_xact_lock($1)', [TABLES_LOCK])
    await query(`CREATE TABLE IF NOT EXISTS infisical_migrations
      (id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz)`)
    await query('CREATE TABLE IF NOT EXISTS infisical_migrations_lock (index serial PRIMARY KEY, is_locked integer)')
    await query(
      'INSERT INTO infisical_migrations_lock (is_locked) SELECT 0 WHERE NOT EXISTS (SELECT FROM infisical_migrations_lock)',
    )
    await query(`CREATE TABLE IF NOT EXISTS infisical_migrations_startup_lock
      (index serial PRIMARY KEY, is_locked integer, session_id varchar(255), node varchar(255), heartbeat_updated_at timestamptz)`)
    await query(
      'INSERT INTO infisical_migrations_startup_lock (is_locked) SELECT 0 WHERE NOT EXISTS (SELECT FROM infisical_migrations_startup_lock)',
    )
  })
}

async function runPending(database: Database, migrations: readonly Migration[]): Promise<void> {
  const state = await stateOf(database, migrations)
  refuseInvalid(state)
  if (state.kind !== 'behind') return
  await takeKnexLock(database)
  try {
    await runEach(
      database,
      migrations.filter(({ name }) => state.pending.includes(name)),
    )
  } finally {
    // As knex does: an error frees the lock, a crash leaves it, and then a person must look before anyone goes on.
    await database.query('UPDATE infisical_migrations_lock SET is_locked = 0')
  }
}

async function runEach(database: Database, pending: readonly Migration[]): Promise<void> {
  const [last] = await database.query<{ batch: number }>(
    'SELECT coalesce(max(batch), 0) + 1 AS batch FROM infisical_migrations',
  )
  for (const { name, up } of pending)
    await database.transaction(async (query) => {
      await query(up)
      await query('INSERT INTO infisical_migrations (name, batch, migration_time) VALUES ($1, $2, now())', [
        name,
        last?.batch ?? 1,
      ])
    })
}

/** A dump that was taken in the middle of a migration carries this lock; knex and we refuse it alike. */
async function takeKnexLock(database: Database): Promise<void> {
  const taken = await database.query(
    'UPDATE infisical_migrations_lock SET is_locked = 1 WHERE is_locked = 0 RETURNING index',
  )
  if (taken.length === 0)
    throw new BootRefused('migration-table-locked', 'MigrationLocked: Migration table is already locked')
}
