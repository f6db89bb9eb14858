import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runProcess } from '../../src/clients/process.ts'
import { askOverSql } from '../../src/clients/sql-question.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import { needs } from './needs.ts'
import { IDENTITY, IDENTITY_OPTIONS, PROGRAMS } from './postgres.ts'
import { freePorts } from './server-process.ts'

needs('postgresql-15')

const run = promisify(execFile)

export interface PairedServer {
  readonly port: number
  /** As a superuser, whatever the server's role is. */
  sql(statement: string): Promise<string>
}

/** Two real PostgreSQL 15 in two "sites" of one machine: dc-a is the primary, dc-b streams from it. */
export interface PostgresPair {
  readonly servers: Readonly<Record<'dc-a' | 'dc-b', PairedServer>>
  /** The program by which "others" run the two: `pair.sh <what> <site> <port> <port of the other one>`. */
  readonly program: string
  /** Runs it, and throws with its words when it fails. */
  operate(what: Operation, site: 'dc-a' | 'dc-b'): Promise<string>
  /** A power cut: no process of the server is left, and nothing was written at the end. */
  kill(site: 'dc-a' | 'dc-b'): Promise<void>
  stop(): Promise<void>
}
/** `promote-alone`: a server that was stopped begins a timeline of its own, and asks the other one for nothing. */
export type Operation =
  | 'demote'
  | 'promote'
  | 'promote-alone'
  | 'follow'
  | 'rejoin'
  | 'shut'
  | 'is-shut'
  | 'open'
  | 'start'
  | 'stop'

/** Members of pg_monitor, which may promote: `standby` with a password, and the one that replicates. */
const ROLES = `CREATE ROLE standby LOGIN PASSWORD 'a-password' IN ROLE pg_monitor;
GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO standby;
CREATE ROLE replicator LOGIN REPLICATION;`
/** What a role needs beside, to see how a server came to its timeline. */
export const MAY_READ_HISTORY = `GRANT pg_read_server_files TO standby;
GRANT EXECUTE ON FUNCTION pg_read_file(text, bigint, bigint, boolean) TO standby;`

/** Settings of both servers; their data lie in one folder, which `stop` removes. */
export async function startPair(sql = ''): Promise<PostgresPair> {
  const home = await mkdtemp(join(tmpdir(), 'standby-pair-'))
  await chmod(home, 0o777)
  const [a = 0, b = 0] = await freePorts(2)
  const ports = { 'dc-a': a, 'dc-b': b }
  const program = join(home, 'pair.sh')
  await writeFile(program, programText(home), { mode: 0o755 })
  const other = { 'dc-a': 'dc-b', 'dc-b': 'dc-a' } as const
  const operate: PostgresPair['operate'] = async (what, site) =>
    (
      await run(program, [what, site, String(ports[site]), String(ports[other[site]])], { timeout: 60_000 })
    ).stdout.trim()
  const server = (site: 'dc-a' | 'dc-b'): PairedServer => ({
    port: ports[site],
    async sql(statement) {
      const where = ['-h', '127.0.0.1', '-p', String(ports[site]), '-U', 'app', '-d', 'app']
      return (
        await run('psql', [...where, '-v', 'ON_ERROR_STOP=1', '-Atc', statement], { timeout: 20_000 })
      ).stdout.trim()
    },
  })
  const kill = async (site: 'dc-a' | 'dc-b'): Promise<void> => {
    await run(program, ['kill', site, '0', '0'], { timeout: 20_000 })
  }
  const pair: PostgresPair = {
    servers: { 'dc-a': server('dc-a'), 'dc-b': server('dc-b') },
    program,
    operate,
    kill,
    async stop() {
      await Promise.all([kill('dc-a'), kill('dc-b')])
      await rm(home, { recursive: true, force: true })
    },
  }
  try {
    await run(program, ['init', 'dc-a', String(a), String(b)], { timeout: 60_000 })
    await pair.servers['dc-a'].sql(`${ROLES} ${sql}`)
    await operate('rejoin', 'dc-b')
  } catch (error) {
    await pair.stop()
    throw error
  }
  return pair
}

/** What of a driver's context reaches the pair: SQL, and the program as the users' own. */
export function pairContext(signal: AbortSignal): Pick<DriverContext, 'askSql' | 'run' | 'credential'> {
  return {
    askSql: (question) => askOverSql(question, [signal]),
    run: (command, args, { live: _, ...options }) => runProcess(command, args, { signal, ...options }),
    credential: async () => 'a-password',
  }
}

/** Durable enough for a killed process, not for a machine without power: nothing is synced to disk. */
const programText = (home: string): string => `#!/bin/sh
set -eu
what=$1 site=$2 port=$3 peer=$4
data=${home}/$site
as() { ${[IDENTITY, ...IDENTITY_OPTIONS].join(' ')} "$@"; }
ctl() { as env LC_ALL=C ${PROGRAMS}/pg_ctl -D $data -s "$@"; }
runs() { ctl status >/dev/null 2>&1; }
begin() { runs || as sh -c "${PROGRAMS}/pg_ctl -D $data -s -w -t 50 -l ${home}/$site.log start >/dev/null 2>&1 </dev/null"; }
stop() { if runs; then ctl -w -t 50 -m $1 stop; fi; }
from() { as sh -c "echo \\"primary_conninfo = 'host=127.0.0.1 port=$peer user=replicator application_name=$site'\\" >> $data/postgresql.auto.conf"; }
conf() { as sh -c "printf '%s\\n' 'port = $port' \\"unix_socket_directories = '${home}'\\" \\"listen_addresses = '127.0.0.1'\\" \\
  'fsync = off' 'wal_log_hints = on' 'wal_keep_size = 256MB' 'max_wal_senders = 8' 'hot_standby = on' \\
  'wal_retrieve_retry_interval = 200ms' 'wal_receiver_status_interval = 1s' 'shared_buffers = 32MB' >> $data/postgresql.conf"; }
case $what in
init)
  as ${PROGRAMS}/initdb -D $data -U app -A trust -E UTF8 --no-sync >/dev/null
  conf; begin
  as psql -qh 127.0.0.1 -p $port -U app -d postgres -c 'CREATE DATABASE app' ;;
demote)
  if runs && [ -f $data/standby.signal ]; then exit 0; fi
  stop fast; from; as touch $data/standby.signal; begin ;;
promote) ctl promote ;;
promote-alone) as touch $data/standby.signal; begin; ctl promote ;;
follow) from; ctl reload ;;
rejoin)
  stop immediate; rm -rf $data
  as ${PROGRAMS}/pg_basebackup -D $data -h 127.0.0.1 -p $peer -U replicator --no-sync -c fast -R
  conf; from; begin ;;
shut) stop fast; as touch $data/shut ;;
is-shut)
  if runs; then echo running; exit 0; fi
  end=$(as env LC_ALL=C ${PROGRAMS}/pg_controldata -D $data | sed -n 's/^Latest checkpoint location: *//p')
  as env LC_ALL=C ${PROGRAMS}/pg_controldata -D $data | grep -q 'cluster state: *shut down$' && echo "stopped $end" || echo stopped ;;
open) rm -f $data/shut; begin ;;
start) begin ;;
stop) stop fast ;;
kill)
  if [ -f $data/postmaster.pid ]; then
    pid=$(head -n 1 $data/postmaster.pid)
    kill -9 $pid 2>/dev/null || true
    # The children notice that their postmaster is gone, and end.
    for _ in $(seq 100); do pgrep -g $pid >/dev/null 2>&1 || pgrep -P $pid >/dev/null 2>&1 || break; sleep 0.05; done
    sleep 0.3; rm -f $data/postmaster.pid
  fi ;;
*) echo "no operation $what" >&2; exit 64 ;;
esac
`
