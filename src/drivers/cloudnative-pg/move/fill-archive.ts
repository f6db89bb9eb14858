import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { askSql, type ClusterRun, type OfCluster, remember, sqlOf } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'

/**
 * A replica that runs with the archive_mode of a primary marks what it receives as archived although it is not
 * (walreceiver.c, XLogArchiveForceDone), and gives no mark at all to a segment that a restart interrupts. Its own
 * archive would have a hole before the promotion, over which no older backup could be restored. Users are served
 * meanwhile.
 */
export const fillArchiveStep = (component: Database, site: SiteName): DriverStep<OfCluster> =>
  planStep(fillArchive, site, {
    phase: 'PROTECT',
    title: `Ships what ${clusterOf(component, site)} received since it restarted ahead of its promotion, and takes back the setting of that restart`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { cluster: clusterOf(component, site) },
  })

/** What a process remembers of a step that shipped segments: another process ships them once more. */
export interface Shipped {
  readonly shipped?: readonly string[]
}
interface Filled extends Proof {
  readonly shipped: readonly string[]
}

export const fillArchive: Action<CloudNativePgSpec, OfCluster, Filled> = {
  name: 'fill-archive',
  parameters: parametersOf<OfCluster>({ cluster: TEXT }),
  behaviour: {
    is: 'plain',
    /** The setting is removed last: while it is there, something may be missing. */
    async done(run: ClusterRun<Shipped>) {
      const { cluster } = run.step.parameters
      const setting = await settingOf(run)
      if (setting === null) return { is: 'pending', waitingFor: `${cluster} to answer` }
      return setting.ahead
        ? { is: 'pending', waitingFor: `what ${cluster} received meanwhile to be archived` }
        : { is: 'done', proof: { shipped: run.memory.value?.shipped ?? [] } }
    },
    apply: shipReceived,
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step, around) => ({
      commands: [
        clusterShell(component, { site: step.site, cluster: step.parameters.cluster }, around).psql(
          'ALTER SYSTEM RESET archive_mode',
        ),
      ],
      expect:
        'ALTER SYSTEM. Where Standby had restarted it ahead of its promotion, its own archive begins anew with the base backup below.',
    }),
  },
}

export interface Setting {
  readonly inRecovery: boolean
  /** The archive_mode that PostgreSQL runs with. */
  readonly archiveMode: string
  /** Whether a restart ahead has written its own (`postgresql.auto.conf` overrides what the operator writes). */
  readonly ahead: boolean
}

/** Null while PostgreSQL does not answer. */
export async function settingOf(run: ClusterRun): Promise<Setting | null> {
  const [row] =
    (await askSql(run, `SELECT pg_is_in_recovery(), current_setting('archive_mode'), EXISTS (${AHEAD});`)) ?? []
  return row === undefined ? null : { inRecovery: row[0] === 't', archiveMode: row[1] ?? '', ahead: row[2] === 't' }
}
/** Removes the setting that a restart ahead has written. */
export const FORGET = 'ALTER SYSTEM RESET archive_mode;'
/** The setting that a restart ahead has written. */
const AHEAD = "SELECT FROM pg_file_settings WHERE name = 'archive_mode' AND sourcefile LIKE '%/postgresql.auto.conf'"

/**
 * Hands each file that is marked as archived, and is not, to the archive_command, one after the other, then removes the
 * setting. A replica that archives again has received all of them; one that does not is still receiving
 * (`restart-ahead.ts`).
 */
export async function shipReceived(run: ClusterRun<Shipped>): Promise<void> {
  await ship(run, FORGET)
}

/**
 * The same, while more arrives: what arrives meanwhile is shipped after the restart to archive_mode `always`, which has
 * to be requested after this.
 */
export async function shipBeforeRestart(run: ClusterRun<Shipped>): Promise<void> {
  // First: the time of this setting is where the rest begins.
  await sqlOf(run, "ALTER SYSTEM SET archive_mode = 'always';")
  await ship(run, '')
}

async function ship(run: ClusterRun<Shipped>, then: string): Promise<void> {
  const before = run.memory.value?.shipped ?? []
  const rows = await sqlOf(run, `${shippingWithout(before)}\n${then}`, SHIPPING_LONGEST)
  remember<Shipped>(run, { shipped: [...before, ...rows.flatMap(([name]) => name ?? [])] })
}

/** A segment takes about a second. */
const SHIPPING_LONGEST = minutes(4)

/**
 * Files that PostgreSQL marked as archived (`.done`) while it archived nothing: segments and histories of timelines,
 * streamed or restored. While it still runs with that mode, the time in question began when the setting was written, or
 * with its last start if that was earlier. Once it archives again, the time ended with that start, and what was shipped
 * before reaches to the moment at which the setting was written. Marks have a resolution of seconds: files of the same
 * second are shipped twice, which does no harm. The own timeline of a primary is left to its archiver.
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
 * Segments without any mark although the server is past them. A segment that its primary closes early ends with zeros.
 * A standby that stops while it receives them asks for the next segment when it is back, because the record that closes
 * this one is replayed: the segment is never completed, thus never marked (xlogrecovery.c, walreceiver.c). PostgreSQL
 * archives such a segment only when it removes it, and a replica with the archive_mode of a primary not even then. A
 * running receiver marks what it completes, so what it has reached is left to it.
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
