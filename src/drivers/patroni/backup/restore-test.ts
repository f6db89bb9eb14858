import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext, SqlRows } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { parseControlData } from '../../../systems/postgres/control-data.ts'
import { judgeAge, judgeCatalogue, judgeDuration, judgeRestored } from '../../../systems/postgres/judge-restored.ts'
import { newestManifest } from '../../../systems/postgres/restore-manifest.ts'
import { parseSegment, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { seconds } from '../../../values/duration.ts'
import { historyIn } from '../dcs/view.ts'
import { forksOf } from '../history.ts'
import { among, askMembers, headOf, reachInto } from '../observe.ts'
import { askStored } from '../rest-api.ts'
import type { Database } from '../spec.ts'
import { backupsOf } from './declared.ts'
import { checkOf, judgeHistory, judgeNewest, judgePages, judgeSegments, type ServedHistory } from './judge-backup.ts'
import { totalOf } from './manifest.ts'
import {
  type ArchivedFile,
  archivedIn,
  filesIn,
  isNetworkTrouble,
  oneLine,
  type Stanza,
  stanzaIn,
} from './repository.ts'
import {
  ask,
  factsOf,
  RESTORED_PORT,
  refuseUnsuited,
  startRestored,
  superuserOf,
  versionIn,
} from './restored-server.ts'
import { openArchive, type SandboxArchive } from './sandbox-archive.ts'

/**
 * Restores the newest backup of a site with all WAL after it into the sandbox of hosts, and judges the copy. Throws
 * where the sandbox is the trouble, and not the backup (`sandbox-stuck`, and what the sandbox throws).
 */
export async function testRestore(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const archive = await openArchive(component, source, sandbox, context)
  const [stanza, manifest, served] = await Promise.all([
    readStanza(archive),
    newestManifest(component, archive.stanza, context),
    askSource(component, source, context),
  ])
  const backup = stanza.backups.at(-1)
  if (stanza.is !== 'read' || backup === undefined) {
    const found = stanza.is === 'read' ? 'none' : stanza.said
    const id = stanza.is === 'unreadable' ? 'archive-readable' : 'has-backup'
    return {
      backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null },
      restoreDuration: 0,
      checks: [{ ...checkOf(component, id, false), expected: `a base backup in the stanza ${archive.stanza}`, found }],
    }
  }
  await refuseUnsuited(archive, backup)
  const begun = context.clock.now().getTime()
  const known = [...judgeNewest(component, stanza, manifest), judgePages(component, backup)]
  const unrestored = (why: string, bytes: number | null, checks: readonly Check[]): RestoreTestReport => ({
    backup: { id: backup.label, takenAt: backup.endedAt, bytes },
    restoreDuration: context.clock.now().getTime() - begun,
    checks: [...checks, { ...checkOf(component, 'restores', false), expected: 'a restore that ends', found: why }],
  })
  const files = await restoreFiles(archive, backup.label, backup.version, sandbox)
  if (typeof files === 'string') return unrestored(files, null, known)
  const wal = archivedIn(files.archived, backup.archive)
  const expected = {
    manifest,
    backup: {
      id: backup.label,
      beginWal: backup.beginWal,
      bytes: files.bytes,
      systemId: served?.systemId ?? backup.systemId,
      segmentBytes: files.segmentBytes,
    },
    wal: wal.map(({ name }) => name),
  }
  const wanted = neededFrom(backup.beginWal, wal, files.segmentBytes)
  const fetched = await fetchWal(archive, wanted, sandbox)
  const stored = [...known, ...judgeCatalogue(component, expected), judgeSegments(component, wanted, fetched)]
  const failure = await startRestored(component, archive, backup, sandbox)
  if (failure !== null) return unrestored(failure, files.bytes, stored)
  const restoreDuration = context.clock.now().getTime() - begun
  const tables = [...new Set([...backupsOf(component).tables, ...Object.keys(manifest?.counts ?? {})])]
  const copy = await factsOf(component, archive, backup, tables)
  const { objectives } = context.stack
  return {
    backup: { id: backup.label, takenAt: backup.endedAt, bytes: files.bytes },
    restoreDuration,
    checks: [
      ...stored,
      judgeHistory(component, copy.forks, served, manifest),
      ...judgeRestored(component, expected, copy),
      judgeAge(component, backup.endedAt, context.clock.now(), objectives.backupAge),
      judgeDuration(component, restoreDuration, objectives.restoreTime),
    ],
    endpoint: {
      kind: 'postgres',
      // A Unix socket: the sandbox has no network.
      host: archive.directory,
      port: RESTORED_PORT,
      database: component.spec.database,
      user: superuserOf(component),
      credentials: { name: component.name, keys: { password: 'password' } },
    },
  }
}

/** Throws `sandbox-stuck` where the store does not answer: that says nothing about the backup. */
async function readStanza(archive: SandboxArchive): Promise<Stanza> {
  const { code, stdout, stderr } = await archive.run('exec pgbackrest --output=json info', [], { reads: true })
  if (code !== 0) throw sandboxStuck(archive.box, 'pgBackRest does not run', stderr)
  const stanza = stanzaIn(stdout, archive.stanza)
  if (stanza.is === 'unreachable') throw sandboxStuck(archive.box, 'the object store is not reached', stanza.said)
  return stanza
}

/** What the source serves now; null where none of its members answers: a restore test serves a lost site as well. */
async function askSource(
  component: Database,
  source: SiteName,
  context: DriverContext,
): Promise<(ServedHistory & { readonly systemId: string | null }) | null> {
  const { signal } = context
  const members = await askMembers(component, source, context, { signal })
  const head = headOf(among(component, members))
  if (head === null || head.timeline === null) return null
  const asking = { reach: reachInto(source, context), signal, deadline: seconds(3) }
  const lines = historyIn(await askStored(component, source, head.name, 'history', context, asking))
  const last = lines.at(-1)
  // Patroni writes a line in the loop after a promotion; on the first timeline there is none.
  if (head.timeline > 1 && (last === undefined || last[0] < head.timeline - 1)) return null
  return { timeline: head.timeline, forks: forksOf(lines), systemId: head.systemId }
}

interface RestoredFiles {
  readonly segmentBytes: SegmentBytes
  /** Of the backup, as it lies in the store. */
  readonly bytes: number
  /** All files of the archive of the stanza. */
  readonly archived: ReadonlyMap<string, number>
}

/** Restores the files of a backup; a text: why that cannot be done. Throws `sandbox-stuck`. */
async function restoreFiles(
  archive: SandboxArchive,
  label: string,
  version: string,
  sandbox: Sandbox,
): Promise<RestoredFiles | string> {
  const { code, stdout, stderr } = await archive.run(RESTORE, [label, version, archive.stanza], {
    reads: true,
    within: sandbox.deadline,
  })
  if (code !== 0) {
    if (isNetworkTrouble(stderr)) throw sandboxStuck(archive.box, 'the object store is not reached', oneLine(stderr))
    return oneLine(stderr) || `exit ${code}`
  }
  const [control = '', wal = '', backup = ''] = stdout.split('\0')
  const data = parseControlData(control)
  if (data === null) return 'pg_controldata does not read what was restored'
  return { segmentBytes: data.segmentBytes, bytes: totalOf(filesIn(backup)), archived: filesIn(wal) }
}
/** What is no plain file below the data directory is restored there as well: tablespaces as folders. */
const RESTORE = `pgbackrest --set="$1" --tablespace-map-all="$PWD/tablespaces" restore
controldata=/usr/lib/postgresql/$2/bin/pg_controldata; [ -x "$controldata" ] || controldata=/usr/pgsql-$2/bin/pg_controldata
"$controldata" data; printf '\\0'
pgbackrest --recurse --output=json repo-ls "archive/$3"; printf '\\0'
pgbackrest --recurse --output=json repo-ls "backup/$3/$1"`

/** All segments from the first one of a backup on, of whatever timeline, and all histories. Pure. */
function neededFrom(beginWal: string, wal: readonly ArchivedFile[], segments: SegmentBytes): ArchivedFile[] {
  const begin = parseSegment(beginWal, segments)?.start ?? 0n
  return wal.filter(({ name }) => name.endsWith('.history') || (parseSegment(name, segments)?.start ?? -1n) >= begin)
}

/**
 * Brings the WAL into the sandbox before the server starts, which has no network: the checksum of each file by its
 * name. One that cannot be had is left out.
 */
async function fetchWal(
  archive: SandboxArchive,
  wanted: readonly ArchivedFile[],
  sandbox: Sandbox,
): Promise<ReadonlyMap<string, string>> {
  const { code, stdout, stderr } = await archive.run(FETCH, [], {
    reads: true,
    stdin: `${wanted.map(({ name }) => name).join('\n')}\n`,
    within: sandbox.deadline,
  })
  if (code !== 0) throw sandboxStuck(archive.box, 'the WAL could not be fetched', stderr)
  return new Map(
    stdout.split('\n').flatMap((line): [string, string][] => {
      const [, sha1 = '', name] = /^([0-9a-f]{40}) [ *](?:\.\/)?(\S+)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, sha1]]
    }),
  )
}
const FETCH = `mkdir -p wal
xargs -r -P 3 -n 1 sh -c 'pgbackrest archive-get "$0" "$PWD/wal/$0" || echo "$0 is not to be had" >&2'
cd wal; find . -type f -exec sha1sum {} +`

/** Rows of a query on the restored copy. Throws `sql-failed`. */
export async function askRestored(
  component: Database,
  sandbox: Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> {
  const archive = await openArchive(component, sandbox.site, sandbox, context)
  const version = await versionIn(archive)
  const { database } = component.spec
  const answer = await ask(archive, { version }, { superuser: superuserOf(component), database, query })
  if (answer.is === 'rows') return answer.rows
  throw siteError('sql-failed', `the restored copy of ${component.name} refuses a query: ${answer.text}`, {
    retry: 'never',
    where: `${archive.box.machine} ${archive.directory}`,
  })
}
