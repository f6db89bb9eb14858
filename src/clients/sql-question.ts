import type { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { Client } from 'pg'
import { StandbyError, siteError, timeoutError } from '../errors/standby-error.ts'
import { type Milliseconds, readableDuration } from '../values/duration.ts'
import { SILENCE } from './patience.ts'
import { measuredWay } from './round-trip.ts'
import { withinWay } from './within-way.ts'
import { retryOfWire } from './worth-another-try.ts'

/** A question to a server that speaks the wire protocol of PostgreSQL. */
export interface SqlQuestion {
  readonly server: SqlServer
  /** Each is sent by itself, in this order, and ends its own transaction. */
  readonly statements: readonly string[]
  /** Absent: the session is read-only, and an effect is refused by the server. */
  readonly writes?: true
  /** Of the whole question, over a short way; over a longer one it grows as `patience.ts` says. */
  readonly deadline: Milliseconds
  readonly signal?: AbortSignal
}
export interface SqlServer {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  /**
   * The certificate must be trusted, and name the host; `authority` (PEM): the only ones that count, the system's own
   * when absent. Null: without TLS. A password is never sent readable then.
   */
  readonly tls: { readonly authority?: string } | null
}

/** Any answer of the server is one: rows, or an error with its SQLSTATE. */
export type SqlAnswer =
  | { readonly is: 'rows'; readonly rows: readonly (readonly string[])[] }
  | {
      readonly is: 'refused'
      /** Five characters, as in appendix A of the manual. */
      readonly state: string
      readonly text: string
    }

/**
 * Asks over a connection of its own, and closes it. Rows of all statements come as one list, values as the server
 * writes them, NULL as an empty text. The server ends a statement at the deadline as well, also where this side is
 * gone. Throws `sql-silent` (transient, but `never` for a certificate that is not trusted) when no whole answer comes
 * within the deadline, or the reason of a signal: an effect may have happened then. Throws `sql-through-pooler` before
 * the first statement where something else than the server answers.
 */
export async function askOverSql(
  question: SqlQuestion,
  signals: readonly (AbortSignal | undefined)[] = [],
): Promise<SqlAnswer> {
  const { host, port } = question.server
  const address = sqlAddress(host, port)
  const late = (waited: Milliseconds): Error =>
    timeoutError('sql-silent', `no answer from ${address} within ${readableDuration(waited)}`, {
      where: address,
      retry: 'transient',
    })
  return withinWay(
    measuredWay(address, SILENCE),
    { deadline: question.deadline },
    [...signals, question.signal],
    (signal) => exchange(question, address, signal),
    late,
  )
}

/** How the place of a server is written. */
export const sqlAddress = (host: string, port: number): string =>
  `postgresql://${host.includes(':') ? `[${host}]` : host}:${port}`

async function exchange(question: SqlQuestion, address: string, signal: AbortSignal): Promise<SqlAnswer> {
  const { statements } = question
  const socket = new Socket()
  const end = (): unknown => socket.destroy()
  signal.addEventListener('abort', end, { once: true })
  try {
    const client = await clientOf(question, socket)
    // A socket that was destroyed before it connects would connect all the same.
    signal.throwIfAborted()
    const rows: (readonly string[])[] = []
    try {
      await client.connect().catch(refusedByPooler(address))
      await refusePooler(client, address)
      for (const text of statements) rows.push(...(await rowsOf(client, text)))
    } finally {
      // The server closes when it has read the farewell; nothing of the answer depends on it.
      client.end().catch(() => undefined)
      socket.unref()
    }
    return { is: 'rows', rows }
  } catch (thrown) {
    if (signal.aborted || thrown instanceof StandbyError) throw thrown
    const error = thrown as Error & { readonly code?: unknown; readonly severity?: unknown }
    if (typeof error.severity === 'string' && typeof error.code === 'string')
      return { is: 'refused', state: error.code, text: error.message }
    throw siteError('sql-silent', `${address}: ${error.message}`, { where: address, retry: retryOfWire(error) })
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/**
 * A pooler may answer for several servers, drop the settings of this session, and give its connection to others. It
 * says a process id of its own at the login; a server says that of the process that answers.
 */
async function refusePooler(client: Client, address: string): Promise<void> {
  const [[answering = ''] = []] = await rowsOf(client, 'SELECT pg_catalog.pg_backend_pid()')
  const { processID } = client as unknown as { readonly processID: number | null }
  if (String(processID) !== answering) throw pooled(address, 'another process answers than the one that was reached')
}

/** PgBouncer takes no settings at the login unless they are declared to it, and says so as a protocol violation. */
const refusedByPooler =
  (address: string) =>
  (error: Error & { readonly code?: unknown }): never => {
    throw error.code === '08P01' ? pooled(address, error.message) : error
  }

const pooled = (address: string, why: string): Error =>
  siteError('sql-through-pooler', `${address} is a pooler, and not a server: ${why}`, {
    where: address,
    retry: 'never',
    next: 'Declare the address of the server itself, past any pooler.',
  })

/** Values stay as the server writes them. */
const AS_TEXT = {
  getTypeParser: () => (value: string) => value,
}

async function rowsOf(client: Client, text: string): Promise<string[][]> {
  const answer: unknown = await client.query({ text, rowMode: 'array', types: AS_TEXT } as { text: string })
  const results = (Array.isArray(answer) ? answer : [answer]) as { readonly rows: readonly (string | null)[][] }[]
  return results.flatMap(({ rows }) => rows.map((row) => row.map((value) => value ?? '')))
}

/** Nothing is read from the environment, and no file of passwords. */
async function clientOf({ server, deadline, writes }: SqlQuestion, socket: Socket): Promise<Client> {
  const { host, port, database, user, password, tls } = server
  const settings = [
    `statement_timeout=${Math.max(1, Math.round(deadline))}`,
    ...(writes === true ? [] : ['default_transaction_read_only=on']),
  ]
  // Loaded when the first question is asked: few stacks ask one.
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    host,
    port,
    database,
    user,
    password: () => password,
    ssl: tls !== null && verified(tls),
    stream: () => socket,
    application_name: 'standby',
    // They begin with the session and end with it: a SET would stay on a connection that a pooler gives to others.
    options: settings.map((setting) => `-c ${setting}`).join(' '),
  })
  // An error after the answer, such as a connection that is cut while it is closed.
  client.on('error', () => undefined)
  if (tls === null) refuseReadablePassword(client, socket)
  return client
}

const verified = ({ authority }: NonNullable<SqlServer['tls']>) =>
  authority === undefined ? { rejectUnauthorized: true } : { rejectUnauthorized: true, ca: authority }

/** A server, or what pretends to be it, may ask for the password as it is: without TLS it can be read on its way. */
function refuseReadablePassword(client: Client, socket: Socket): void {
  const { connection } = client as unknown as { readonly connection: EventEmitter }
  connection.once('authenticationCleartextPassword', () => {
    socket.destroy(new Error('it asks for the password unencrypted, and no TLS is declared'))
  })
}
