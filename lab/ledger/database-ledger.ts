import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePorts } from '../../test/support/server-process.ts'
import { LOGIN } from '../login.ts'
import { addressOf, type MachineName, type SiteName } from '../topology.ts'
import type { LedgerEntry } from './ledger-entry.ts'

/** A client that writes numbered rows straight into the database, wherever that accepts them. */
export interface DatabaseLedger {
  entries(): readonly LedgerEntry[]
  /** Ends it; the acknowledged ids that the database does not have. */
  stop(): Promise<{ readonly missing: readonly string[]; readonly acknowledged: number }>
}

export interface LedgerLogin {
  readonly user: string
  readonly password: string
  readonly database: string
}

/** A write without an answer within this time has an unknown outcome; milliseconds. */
const ANSWERED_WITHIN = 2_000

/**
 * Writes every `intervalMs` until it is stopped. It reaches the databases through a machine of a third site, because
 * only machines of the stack may log in there. A refused or unanswered write is followed by one to the next database,
 * with a new id.
 */
export async function startDatabaseLedger(
  {
    sites,
    through,
    intervalMs,
  }: { readonly sites: readonly SiteName[]; readonly through: MachineName; readonly intervalMs: number },
  login: LedgerLogin,
): Promise<DatabaseLedger> {
  const machines = sites.flatMap((site): MachineName[] => [`${site}-db1`, `${site}-db2`])
  const ports = await freePorts(machines.length)
  const places = machines.map((machine, index) => ({ machine, port: ports[index] ?? 0 }))
  const tunnel = openTunnel(through, places)
  const entries: LedgerEntry[] = []
  let isOver = false
  const work = async (): Promise<void> => {
    let client: pg.Client | null = null
    let at = 0
    for (let sequence = 1; !isOver; sequence++) {
      const startedAt = Date.now()
      const { port, machine } = places[at] ?? { port: 0, machine: through }
      const entry = { sequence, id: String(sequence), startedAt, address: machine, site: machine.slice(0, 4) }
      try {
        client ??= await connected(port, login)
        await client.query('INSERT INTO ledger (id) VALUES ($1)', [sequence])
        entries.push({ ...entry, outcome: 'acknowledged', endedAt: Date.now(), reason: null })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        entries.push({ ...entry, outcome: client === null ? 'failed' : 'unknown', endedAt: Date.now(), reason })
        client?.end().catch(() => undefined)
        client = null
        at = (at + 1) % places.length
      }
      await sleep(Math.max(0, intervalMs - (Date.now() - startedAt)))
    }
    await client?.end().catch(() => undefined)
  }
  await prepared(places, login)
  const working = work()
  return {
    entries: () => entries,
    async stop() {
      isOver = true
      await working
      const rows = await onWriter(places, login, (client) => client.query<{ id: number }>('SELECT id FROM ledger'))
      const kept = new Set(rows.rows.map(({ id }) => String(id)))
      const acknowledged = entries.filter(({ outcome }) => outcome === 'acknowledged')
      tunnel.kill('SIGTERM')
      return {
        missing: acknowledged.flatMap(({ id }) => (kept.has(id) ? [] : [id])),
        acknowledged: acknowledged.length,
      }
    },
  }
}

type Places = readonly { readonly machine: MachineName; readonly port: number }[]

/** One ssh connection; it ends with this process. */
function openTunnel(through: MachineName, places: Places): ChildProcess {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', `UserKnownHostsFile=${LOGIN.knownHosts}`]
  const forwards = places.flatMap(({ machine, port }) => ['-L', `127.0.0.1:${port}:${addressOf[machine]}:5432`])
  const args = [...options.flatMap((option) => ['-o', option]), '-i', LOGIN.privateKey, '-N', ...forwards]
  const tunnel = spawn('ssh', [...args, `${LOGIN.user}@${addressOf[through]}`], {
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  process.once('exit', () => tunnel.kill('SIGTERM'))
  return tunnel
}

async function connected(port: number, { user, password, database }: LedgerLogin): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user,
    password,
    database,
    connectionTimeoutMillis: ANSWERED_WITHIN,
    query_timeout: ANSWERED_WITHIN,
  })
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
  if (rows[0]?.standby === false) return client
  await client.end()
  throw new Error('a standby')
}

/** Waits until a database accepts writes, and asks it. */
async function onWriter<T>(places: Places, login: LedgerLogin, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const until = Date.now() + 30_000
  for (;;) {
    for (const { port } of places) {
      const client = await connected(port, login).catch(() => null)
      if (client !== null) return ask(client).finally(() => client.end())
    }
    if (Date.now() > until) throw new Error('no database accepts writes')
    await sleep(200)
  }
}

async function prepared(places: Places, login: LedgerLogin): Promise<void> {
  await onWriter(places, login, async (client) => {
    await client.query('DROP TABLE IF EXISTS ledger')
    await client.query('CREATE TABLE ledger (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())')
  })
}
