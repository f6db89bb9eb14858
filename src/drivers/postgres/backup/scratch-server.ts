import { randomBytes } from 'node:crypto'
import type { SshResult } from '../../../clients/ssh.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { type HostSandbox, openHostSandbox, type RunInSandbox } from '../../../platform/hosts/sandbox.ts'
import { sandboxPort } from '../../../platform/hosts/sandbox-port.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { serverNameOf } from '../../../platform/hosts/sandbox-units.ts'
import { PSQL_OPTIONS, type PsqlAnswer, psqlAnswer } from '../../../systems/postgres/psql-answer.ts'
import { minutes } from '../../../values/duration.ts'
import type { Database } from '../spec.ts'

/**
 * A PostgreSQL of its own in the sandbox of hosts: empty, reached by a Unix socket in its folder, or by a port of the
 * network that the programs of this sandbox alone share.
 */
export interface ScratchServer {
  readonly box: HostSandbox
  /** On 127.0.0.1 of the sandbox, and in the name of the socket. */
  readonly port: number
  /** Absolute: of the socket, the data and the file `password`. */
  readonly directory: string
  /**
   * Runs a script in the folder, with its arguments. `$programs` is the folder of PostgreSQL's programs; PGHOST, PGUSER
   * and PGPASSWORD lead to the server. Throws `sandbox-stuck` where the machine has no PostgreSQL.
   */
  run(script: string, args?: readonly string[], how?: RunInSandbox): Promise<SshResult>
}

const SUPERUSER = 'postgres'
/** The program of an application has its address as text alone, and not all of them know Unix sockets. */
export const SCRATCH = { host: '127.0.0.1', user: SUPERUSER } as const
const NO_PROGRAMS = 71

/** The newest PostgreSQL of the machine, where Debian and the PGDG packages put it. */
const PROLOGUE = `set -eu
export LC_ALL=C TZ=UTC PGHOST="$PWD/$1" PGPORT="$2" PGUSER=${SUPERUSER}
[ ! -f "$1/password" ] || export PGPASSWORD="$(cat "$1/password")"
mkdir -p "$1"; cd "$1"; shift 2
programs=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$programs" ] && [ -x "$programs/initdb" ] || exit ${NO_PROGRAMS}
`

/** The place of the scratch server in this restore test; nothing is started. */
export async function scratchServer(
  component: Database,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<ScratchServer> {
  const box = await openHostSandbox(sandbox, context)
  const port = sandboxPort(context.stack, component, 5432)
  return {
    box,
    port,
    directory: `${box.directory}/${component.name}`,
    async run(script, args = [], how) {
      const result = await box.run(
        ['/bin/sh', '-c', PROLOGUE + script, 'sh', component.name, String(port), ...args],
        how,
      )
      if (result.code === NO_PROGRAMS)
        throw siteError('sandbox-stuck', `${box.machine} has no server programs of PostgreSQL`, {
          where: `${sandbox.site} ${box.machine}`,
          next: 'Install the package of the server there, such as postgresql-15; no server has to run.',
        })
      return result
    },
  }
}

/** Makes an empty cluster and starts its server. Throws `sandbox-stuck` where that cannot be done. */
export async function startScratch(component: Database, server: ScratchServer): Promise<{ readonly major: number }> {
  const { box, directory, port } = server
  await box.put(`${component.name}/password`, randomBytes(24).toString('hex'))
  const made = await server.run(INIT)
  if (made.code !== 0) throw sandboxStuck(server.box, 'no scratch server could be made', made.stderr)
  const script = `${PROLOGUE}exec "$programs/postgres" -D "$PWD/data" -p "$PGPORT" ${SETTINGS} -c unix_socket_directories="$PWD"`
  await box.start(serverNameOf(component), ['/bin/sh', '-c', script, 'sh', component.name, String(port)])
  const ready = await server.run(READY, [], { within: minutes(3) })
  if (ready.code !== 0) {
    const { said } = await box.look(serverNameOf(component))
    throw sandboxStuck(server.box, `the scratch server in ${directory} does not serve`, said)
  }
  return { major: Number(/\(PostgreSQL\) (\d+)/.exec(made.stdout)?.[1] ?? 0) }
}

/** Nothing in it has to outlive the test. */
const INIT = `"$programs/initdb" -D data -U ${SUPERUSER} -A scram-sha-256 --pwfile=password -E UTF8 --locale=C --no-sync >/dev/null
"$programs/postgres" --version`
const SETTINGS = [
  `listen_addresses=${SCRATCH.host}`,
  'fsync=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
]
  .map((one) => `-c ${one}`)
  .join(' ')
const READY = `for _ in $(seq 1 1200); do "$programs/pg_isready" -q && exit 0; sleep 0.1; done; exit 1`

/** Rows of a query in a database of the scratch server. */
export const askScratch = async (server: ScratchServer, database: string, query: string): Promise<PsqlAnswer> =>
  psqlAnswer(await server.run(ASK, [database], { stdin: query }))
const ASK = `exec "$programs/psql" ${PSQL_OPTIONS} -d "$1"`
