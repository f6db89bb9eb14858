import { minutes, seconds } from '../../../duration.ts'
import { siteError } from '../../../errors.ts'
import type { Behaviour } from '../../../planning/driver.ts'
import type { PlannedStep } from '../../../planning/plan.ts'
import type { SiteName } from '../../../stack/stack.ts'
import { siteOf } from '../../site-of-step.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { parseLsn, segmentName } from '../wal.ts'
import { askSql, clusterOfRun, instanceOf, type Run, sqlOf } from '../where.ts'

/**
 * What a replica receives with the archive_mode of a primary counts as shipped when it is not (walreceiver.c, XLogArchiveForceDone): its own archive
 * would have a hole in front of the promotion, over which no older backup could be restored. Users are served meanwhile.
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

/** What each running step shipped. Like `applied` it lives as long as this process, and is only told. */
const shipped = new WeakMap<AbortSignal, readonly string[]>()

/**
 * The archive_mode that PostgreSQL runs with, and whether the one of a restart ahead is written down (`postgresql.auto.conf` stands over what the
 * operator writes); null while PostgreSQL does not answer.
 */
export async function settingOf(run: Run): Promise<{ readonly archiveMode: string; readonly ahead: boolean } | null> {
  const [row] = (await askSql(run, `SELECT current_setting('archive_mode'), EXISTS (${WRITTEN});`)) ?? []
  return row === undefined ? null : { archiveMode: row[0] ?? '', ahead: row[1] === 't' }
}
/** Takes back what a restart ahead has written down. */
export const FORGET = 'ALTER SYSTEM RESET archive_mode;'
const WRITTEN = "SELECT FROM pg_file_settings WHERE name = 'archive_mode' AND sourcefile LIKE '%/postgresql.auto.conf'"

/** Hands to the archive_command, one after the other, what came since the last restart, as the archiver would have; then takes the setting back. */
export async function shipReceived(run: Run): Promise<void> {
  const cluster = await clusterOfRun(run)
  const instance = await instanceOf(run, cluster)
  const replayed = parseLsn(instance?.replayLsn)
  if (instance === null || (!instance.isPrimary && replayed === null))
    throw siteError('database-not-answering', `${cluster.metadata.name} does not say how far it is`, {
      where: `${siteOf(run)} ${cluster.metadata.name}`,
    })
  // Of a primary everything on the timelines before its own is whole; of a replica, what it has left behind.
  const end =
    replayed === null || instance.isPrimary
      ? 'left(pg_walfile_name(pg_current_wal_lsn()), 8)'
      : `'${segmentName(instance.timeLineID, replayed)}'`
  const rows = await sqlOf(run, shipping(end))
  shipped.set(
    run.signal,
    rows.flatMap(([name]) => name ?? []),
  )
}

/** `psql` runs each line that the second command returns. A file's time is in seconds. */
const shipping = (end: string): string => {
  const received = `FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND name < ${end} AND modification >= pg_postmaster_start_time() - interval '2 s'`
  const command = "replace(replace(current_setting('archive_command'), '%p', 'pg_wal/' || name), '%f', name)"
  return `SELECT name ${received} ORDER BY name;
SELECT format('COPY (SELECT WHERE false) TO PROGRAM %L', ${command}) ${received} ORDER BY name \\gexec
${FORGET}`
}
