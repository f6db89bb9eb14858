import type { PlannedStep } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { askSql, type Run, sqlOf } from '../where.ts'

/**
 * What a replica receives with the archive_mode of a primary counts as shipped when it is not (walreceiver.c,
 * XLogArchiveForceDone), and a segment that a restart interrupts counts as nothing: its own archive would have a hole
 * before the promotion, over which no older backup could be restored. Users are served meanwhile.
 */
export function fillArchiveStep(component: Database, site: SiteName): PlannedStep {
  const cluster = clusterOf(component, site)
  return plannedStep(component, 'fill-archive', site, {
    phase: 'PROTECT',
    title: `Ships what ${cluster} received since it restarted ahead of its promotion, and takes back the setting of that restart`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { cluster },
  })
}

/** The setting goes last: while it is there, something may be missing. */
export const fillArchive: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const setting = await settingOf(run)
    if (setting === null) return { is: 'pending', waitingFor: `${parameter(run.step, 'cluster')} to answer` }
    return setting.ahead
      ? { is: 'pending', waitingFor: `what ${parameter(run.step, 'cluster')} received meanwhile to be archived` }
      : { is: 'done', proof: { shipped: shipped.get(run.signal) ?? [] } }
  },
  apply: shipReceived,
}

/** What each running step shipped. It lives as long as this process: whoever does not know it ships once more. */
const shipped = new WeakMap<AbortSignal, readonly string[]>()

export interface Setting {
  readonly inRecovery: boolean
  /** The archive_mode that PostgreSQL runs with. */
  readonly archiveMode: string
  /**
   * Whether the one of a restart ahead is written down (`postgresql.auto.conf` stands over what the operator writes).
   */
  readonly ahead: boolean
}

/** Null while PostgreSQL does not answer. */
export async function settingOf(run: Run): Promise<Setting | null> {
  const [row] =
    (await askSql(run, `SELECT pg_is_in_recovery(), current_setting('archive_mode'), EXISTS (${AHEAD});`)) ?? []
  return row === undefined ? null : { inRecovery: row[0] === 't', archiveMode: row[1] ?? '', ahead: row[2] === 't' }
}
/** Takes back what a restart ahead has written down. */
export const FORGET = 'ALTER SYSTEM RESET archive_mode;'
/** What is left of a restart ahead. */
const AHEAD = "SELECT FROM pg_file_settings WHERE name = 'archive_mode' AND sourcefile LIKE '%/postgresql.auto.conf'"

/**
 * Hands to the archive_command, one after the other, what counts as shipped and is not, then takes the setting back. A
 * replica that archives again has nothing more to come; one that does not yet is still receiving (`restart-ahead.ts`).
 */
export async function shipReceived(run: Run): Promise<void> {
  await ship(run, FORGET)
}

/**
 * The same, while more comes: what comes meanwhile is shipped behind the restart to archive_mode `always`, which has to
 * be asked for after this.
 */
export async function shipBeforeRestart(run: Run): Promise<void> {
  // First, for its time is where the rest begins.
  await sqlOf(run, "ALTER SYSTEM SET archive_mode = 'always';")
  await ship(run, '')
}

async function ship(run: Run, then: string): Promise<void> {
  const before = shipped.get(run.signal) ?? []
  const rows = await sqlOf(run, `${shippingWithout(before)}\n${then}`, SHIPPING_LONGEST)
  shipped.set(run.signal, [...before, ...rows.flatMap(([name]) => name ?? [])])
}

/** A segment takes about a second. */
const SHIPPING_LONGEST = minutes(4)

/**
 * What has a mark of PostgreSQL's (`.done`) from the time in which it archived nothing: segments and histories of
 * timelines, streamed or restored. Where it still runs so, that time began when the setting was written, or with its
 * last start, if that is what is known; where it archives again, it ended with that start, and what was shipped before
 * reaches to when the setting was written. The time of a mark is in seconds: what falls into the same ones is shipped
 * twice, which harms nothing. A primary's own timeline is its archiver's.
 */
const MARKED = `SELECT regexp_replace(name, '[.]done$', '') AS name FROM (
  SELECT name, modification AS marked, pg_postmaster_start_time() AS started,
    (SELECT modification FROM pg_stat_file('postgresql.auto.conf')) AS written
  FROM pg_ls_archive_statusdir() WHERE name ~ '^([0-9A-F]{24}|[0-9A-F]{8}[.]history)[.]done$'
) received WHERE CASE current_setting('archive_mode')
  WHEN 'on' THEN marked >= least(written, started) - interval '2 s'
  ELSE marked BETWEEN written - interval '2 s' AND started + interval '2 s'
END`

/**
 * What has no mark at all, although the server is past it. A segment that its primary closes early goes on with zeros.
 * A standby that stops while it receives them asks for the next segment when it is back, for the record that closes
 * this one is replayed: the segment is never ended, thus never marked (xlogrecovery.c, walreceiver.c). PostgreSQL
 * itself archives it only when it removes it, and as a replica with the archive_mode of a primary not even then. A
 * receiver that runs marks what it ends, so what reaches as far as it does is left to it.
 */
const UNMARKED = `SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'
  AND ('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296
    + (('x' || substr(name, 17, 8))::bit(32)::bigint + 1) * (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')
    <= CASE WHEN pg_is_in_recovery() THEN least(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END - '0/0'
  AND NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() AS mark WHERE mark.name IN (pg_ls_waldir.name || '.done', pg_ls_waldir.name || '.ready'))`

const UNSHIPPED = `FROM (${MARKED} UNION ${UNMARKED}) AS received
WHERE CASE WHEN pg_is_in_recovery() THEN true ELSE name < left(pg_walfile_name(pg_current_wal_lsn()), 8) END`
const COMMAND = "replace(replace(current_setting('archive_command'), '%p', 'pg_wal/' || name), '%f', name)"
/** `psql` runs each line that the second command returns. */
const shippingWithout = (names: readonly string[]): string => {
  const others = `${UNSHIPPED} AND name <> ALL ('{${names.join(',')}}')`
  return `SELECT name ${others} ORDER BY name;
SELECT format('COPY (SELECT WHERE false) TO PROGRAM %L', ${COMMAND}) ${others} ORDER BY name \\gexec`
}
