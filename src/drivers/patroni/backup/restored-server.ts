import { randomBytes } from 'node:crypto'
import type { Sandbox } from '../../../domain/restore-test.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { serverNameOf } from '../../../platform/hosts/sandbox-units.ts'
import { PSQL_OPTIONS, type PsqlAnswer, psqlAnswer } from '../../../systems/postgres/psql-answer.ts'
import {
  amcheck,
  corruptionIn,
  factsQuery,
  type RestoredFacts,
  restoredFacts,
} from '../../../systems/postgres/restored-facts.ts'
import { type Fork, forksIn, HISTORY } from '../../../systems/postgres/timeline-history.ts'
import { minutes } from '../../../values/duration.ts'
import { lastWords } from '../../../values/last-words.ts'
import type { Database } from '../spec.ts'
import type { StoredBackup } from './repository.ts'
import type { SandboxArchive } from './sandbox-archive.ts'

const PORT = 5432
const NO_PROGRAMS = 71

/** The programs of this major version, where Debian and the PGDG packages put them. */
const programsOf = (version: string): string => `programs=
for one in /usr/lib/postgresql/${version}/bin /usr/pgsql-${version}/bin; do [ ! -x "$one/postgres" ] || programs=$one; done
[ -n "$programs" ] || exit ${NO_PROGRAMS}
export PGHOST="$PWD" PGPORT=${PORT}
`

/** Throws `sandbox-stuck` where the machine lacks the version of PostgreSQL that the backup is of. */
export async function refuseUnsuited({ run, box }: SandboxArchive, { version }: StoredBackup): Promise<void> {
  const { code } = await run(programsOf(version))
  if (code === 0) return
  throw siteError('sandbox-stuck', `${box.machine} has no server programs of PostgreSQL ${version}`, {
    where: box.machine,
    next: `Install the server package of PostgreSQL ${version} there; no server has to run.`,
  })
}

/** The settings of the original name files, addresses and sizes of another machine. */
const SETTINGS = `-c listen_addresses= -c port=${PORT} -c unix_socket_directories="$PWD" -c hba_file="$PWD/hba.conf" -c ident_file="$PWD/ident.conf" \\
 -c ssl=off -c archive_mode=off -c hot_standby=off -c shared_buffers=128MB -c huge_pages=off -c fsync=off -c full_page_writes=off \\
 -c logging_collector=off -c log_destination=stderr -c external_pid_file= -c primary_conninfo= -c primary_slot_name= -c synchronous_standby_names= \\
 -c restore_command="cp \\"$PWD/wal/%f\\" \\"%p\\"" -c recovery_target_timeline=latest -c recovery_end_command= -c archive_cleanup_command=`

/**
 * All programs of the sandbox run as its user, so `trust` lets them in. The password is for readers that demand one.
 */
const PREPARE = `echo 'local all all trust' >hba.conf
: >ident.conf; cat >password; rm -f ended`
const SERVE = `code=0; "$programs/postgres" -D "$PWD/data" ${SETTINGS} || code=$?
echo $code >ended`
/** It accepts a connection once it has left recovery. */
const READY = `while [ ! -e ended ]; do "$programs/pg_isready" -q && exit 0; sleep 0.1; done; exit 1`

/** Recovers the restored files to the end of the fetched WAL, and serves: null, or why it does not. */
export async function startRestored(
  component: Database,
  archive: SandboxArchive,
  { version }: StoredBackup,
  sandbox: Sandbox,
): Promise<string | null> {
  const { box, run, directory } = archive
  const prepared = await run(PREPARE, [], { stdin: randomBytes(24).toString('hex') })
  if (prepared.code !== 0) throw sandboxStuck(archive.box, `${directory} could not be prepared`, prepared.stderr)
  const script = `cd "$1"\n${programsOf(version)}${SERVE}`
  await box.start(serverNameOf(component), ['/bin/sh', '-c', script, 'sh', directory])
  const ready = await run(programsOf(version) + READY, [], { within: sandbox.deadline })
  if (ready.code === 0) return null
  const { said } = await box.look(serverNameOf(component))
  return lastWords(
    said
      .split('\n')
      .filter((line) => /FATAL|PANIC|ERROR/.test(line))
      .join('\n') || said,
  )
}

export interface RestoredCopy extends RestoredFacts {
  /** How it came to the timeline that it began for itself: the last line is where it left the archive. */
  readonly forks: readonly Fork[]
}

/** Asks the copy; the only thing that is written to it is the extension amcheck. Throws `sandbox-stuck`. */
export async function factsOf(
  component: Database,
  archive: SandboxArchive,
  backup: StoredBackup,
  tables: readonly string[],
): Promise<RestoredCopy> {
  const superuser = superuserOf(component)
  const { database } = component.spec
  const answer = await ask(archive, backup, {
    superuser,
    database,
    query: `CHECKPOINT;\n${HISTORY}\n${factsQuery(tables)}`,
  })
  if (answer.is === 'refused') throw sandboxStuck(archive.box, 'the restored copy does not answer', answer.text)
  const [, ...words] = amcheck(database)
  const checked = await archive.run(`${programsOf(backup.version)}exec "$programs/pg_amcheck" "$@"`, words, {
    within: minutes(30),
  })
  const corruption = corruptionIn(checked)
  return {
    ...restoredFacts(answer.rows, 'unknown' in corruption ? null : corruption),
    forks: forksIn(answer.rows),
  }
}

export const superuserOf = ({ spec }: Database): string => spec.server.user ?? 'postgres'
export const RESTORED_PORT = PORT

/** Rows of a query in a database of the copy. */
export async function ask(
  archive: SandboxArchive,
  { version }: Pick<StoredBackup, 'version'>,
  how: { readonly superuser: string; readonly database: string; readonly query: string },
): Promise<PsqlAnswer> {
  return psqlAnswer(await archive.run(programsOf(version) + ASK, [how.superuser, how.database], { stdin: how.query }))
}
const ASK = `exec "$programs/psql" ${PSQL_OPTIONS} -U "$1" -d "$2"`

/** The major version of the copy that runs in the sandbox, by its files. */
export async function versionIn(archive: SandboxArchive): Promise<string> {
  const { code, stdout, stderr } = await archive.run('cat data/PG_VERSION')
  if (code === 0) return stdout.trim()
  throw sandboxStuck(archive.box, 'nothing was restored', stderr)
}
