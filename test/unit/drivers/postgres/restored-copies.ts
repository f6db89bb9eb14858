import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { IDENTITY, IDENTITY_OPTIONS, PROGRAMS } from '../../../support/postgres.ts'
import { freePorts } from '../../../support/server-process.ts'

const run = promisify(execFile)

/**
 * What runs a managed PostgreSQL: it restores a backup into a server of its own, by `copies.sh <what> <copy> <port of
 * the source>`. The backup is taken when it is restored.
 */
export interface RestoredCopies {
  readonly program: string
  readonly port: number
  /** What `state` answers from now on; null: the truth. */
  answer(text: string | null): Promise<void>
  /** SQL that is run in each restored copy before it is said to serve. */
  afterRestore(sql: string): Promise<void>
  /** Every call but the questions, in order. */
  calls(): Promise<string[]>
  forgetCalls(): Promise<void>
  stop(): Promise<void>
}

export async function startCopies(): Promise<RestoredCopies> {
  const home = await mkdtemp(join(tmpdir(), 'standby-copies-'))
  await chmod(home, 0o777)
  const [port = 0] = await freePorts(1)
  const program = join(home, 'copies.sh')
  await writeFile(program, textOf(home, port), { mode: 0o755 })
  const file = (name: string): string => join(home, name)
  return {
    program,
    port,
    answer: (text) => (text === null ? rm(file('answer'), { force: true }) : writeFile(file('answer'), text)),
    afterRestore: (sql) => writeFile(file('after.sql'), sql, { mode: 0o644 }),
    async calls() {
      const said = await readFile(file('calls'), 'utf8').catch(() => '')
      return said.split('\n').filter((line) => line !== '')
    },
    forgetCalls: () => rm(file('calls'), { force: true }),
    async stop() {
      await run(program, ['end', 'copy', '0'], { timeout: 20_000 })
      await rm(home, { recursive: true, force: true })
    },
  }
}

const textOf = (home: string, port: number): string => `#!/bin/sh
set -eu
what=$1 copy=$2 source=$3
as() { ${[IDENTITY, ...IDENTITY_OPTIONS].join(' ')} "$@"; }
[ "$what" = state ] || echo "$what $copy" >> ${home}/calls
case $what in
begin)
  [ ! -e ${home}/refuse ] || { echo 'no such backup' >&2; exit 3; }
  as ${PROGRAMS}/pg_basebackup -D ${home}/data -h 127.0.0.1 -p $source -U replicator --no-sync -c fast
  date -u +%Y-%m-%dT%H:%M:%SZ > ${home}/taken
  as sh -c "printf '%s\\n' 'port = ${port}' \\"primary_conninfo = ''\\" >> ${home}/data/postgresql.auto.conf"
  as sh -c "${PROGRAMS}/pg_ctl -D ${home}/data -s -w -t 50 -l ${home}/data/log start >/dev/null 2>&1 </dev/null"
  [ ! -e ${home}/after.sql ] || psql -qh 127.0.0.1 -p ${port} -U app -d app -f ${home}/after.sql >/dev/null ;;
state)
  if [ -e ${home}/answer ]; then cat ${home}/answer
  elif [ -e ${home}/data/postmaster.pid ]; then echo "host=127.0.0.1 port=${port} database=app takenAt=$(cat ${home}/taken)"
  else echo none; fi ;;
end)
  [ ! -e ${home}/data/postmaster.pid ] || as ${PROGRAMS}/pg_ctl -D ${home}/data -s -w -m immediate stop
  rm -rf ${home}/data ;;
*) exit 64 ;;
esac
`
