import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('postgresql-15')

const run = promisify(execFile)
export const PROGRAMS = '/usr/lib/postgresql/15/bin'
/** PostgreSQL refuses to run as root. */
const AS_POSTGRES = ['--reuid=postgres', '--regid=postgres', '--clear-groups']
/** What goes in front of a program of PostgreSQL. */
export const [IDENTITY, ...IDENTITY_OPTIONS] =
  process.getuid?.() === 0 ? (['setpriv', ...AS_POSTGRES] as const) : (['env'] as const)

export interface Postgres {
  /** Of the empty database `app`. */
  readonly uri: string
  readonly port: number
  /** Of the postmaster. */
  readonly pid: number
  sql(statement: string): Promise<string>
  stop(): Promise<void>
}

/** A real PostgreSQL 15 in a directory of its own; nothing is left after `stop`. Not durable, so that it is quick. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  initdb: readonly string[] = [],
  { tls }: { readonly tls?: { readonly key: string; readonly cert: string } } = {},
): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'standby-postgres-'))
  const [port] = await freePorts(1)
  await chmod(directory, 0o777)
  const data = join(directory, 'data')
  const howToBegin = ['-D', data, '-U', 'app', '-A', 'trust', '-E', 'UTF8', '--no-sync', ...initdb]
  await run(IDENTITY, [...IDENTITY_OPTIONS, join(PROGRAMS, 'initdb'), ...howToBegin])
  if (tls !== undefined) {
    await writeFile(join(directory, 'cert.pem'), tls.cert)
    await writeFile(join(directory, 'key.pem'), tls.key, { mode: 0o600 })
    if (process.getuid?.() === 0) await run('chown', ['postgres', join(directory, 'key.pem')])
  }
  const all = {
    ...(tls === undefined
      ? {}
      : { ssl: 'on', ssl_cert_file: join(directory, 'cert.pem'), ssl_key_file: join(directory, 'key.pem') }),
    fsync: 'off',
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: directory,
    ...settings,
  }
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = await startServer(
    IDENTITY,
    [...IDENTITY_OPTIONS, join(PROGRAMS, 'postgres'), '-D', data, ...options],
    {
      answers: () => accepts(Number(port)),
    },
  )
  const psql = async (database: string, statement: string): Promise<string> => {
    const where = ['-h', '127.0.0.1', '-p', String(port), '-U', 'app', '-d', database]
    // The test may always write, also when it has made the database read-only for everybody else.
    const env = { ...process.env, PGOPTIONS: '-c default_transaction_read_only=off' }
    return (
      await run('psql', [...where, '-v', 'ON_ERROR_STOP=1', '-At', '-c', statement], { timeout: 10_000, env })
    ).stdout.trim()
  }
  const stop = async (): Promise<void> => {
    // SIGINT is the fast shutdown; the SIGTERM of every other server would wait for each client.
    process.kill(server.pid, 'SIGINT')
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await createDatabase(psql)
  } catch (error) {
    await stop()
    throw error
  }
  const uri = `postgresql://app@127.0.0.1:${port}/app`
  return { uri, port: Number(port), pid: server.pid, sql: (statement) => psql('app', statement), stop }
}

/** The port opens a moment before the server takes sessions. */
async function createDatabase(psql: (database: string, statement: string) => Promise<string>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await psql('postgres', 'CREATE DATABASE app')
      return
    } catch (error) {
      if (attempt === 50 || !String(error).includes('starting up')) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
