import { DatabaseError, Pool, type PoolClient, type QueryResultRow } from 'pg'
import type { Configuration } from './configuration.ts'
import { log, reasonOf } from './log.ts'

export interface Patience {
  readonly connectMs: number
  readonly statementMs: number
}

/** A request that waits longer gets an error that says so: a lost database costs a request 3 s, and never a hang. */
export const whileServing: Patience = { connectMs: 3_000, statementMs: 3_000 }
/** A migration may rewrite a table. */
export const whileMigrating: Patience = { connectMs: 3_000, statementMs: 120_000 }

/**
 * The server cannot cancel a statement when the network swallows its answer; the clock that ends the wait then runs
 * here.
 */
const CLIENT_GRACE_MS = 500

export interface Database {
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>
  close(): Promise<void>
}
export type Query = Database['query']

/** A small pool that reconnects by itself; each connection and each statement has a deadline. */
export function openDatabase({ databaseUri, databaseRootCertificate }: Configuration, patience: Patience): Database {
  const pool = new Pool({
    ...connectionOf(databaseUri, databaseRootCertificate),
    max: 5,
    connectionTimeoutMillis: patience.connectMs,
    statement_timeout: patience.statementMs,
    query_timeout: patience.statementMs + CLIENT_GRACE_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'infisical',
  })
  // An idle connection that breaks is reported here; without a listener it would end the process.
  pool.on('error', (error) => log('warn', 'An idle database connection was lost', { reason: reasonOf(error) }))
  return {
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<Row>(text, [...values])).rows,
    transaction: (work) => inTransaction(pool, work),
    close: () => pool.end(),
  }
}

const CONNECT_TIMEOUT = /timeout exceeded when trying to connect|terminated due to connection timeout/
const NEVER_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

/**
 * The effect of a failed statement is known: none. Anything else that fails may have been written. PostgreSQL rolls
 * back what it answers with an error, except when it ends the session itself (class 57P, class 08): the commit may have
 * happened before. A connection that was never made has carried nothing.
 */
export function wroteNothing(error: unknown): boolean {
  if (error instanceof DatabaseError) {
    const state = error.code ?? ''
    // 57P03 is the refusal of a new connection while the server starts, stops or recovers.
    return state === '57P03' || !(state.startsWith('57P') || state.startsWith('08') || state.startsWith('XX'))
  }
  if (error instanceof AggregateError) return error.errors.every(wroteNothing)
  if (!(error instanceof Error)) return false
  const code = (error as NodeJS.ErrnoException).code
  return (code !== undefined && NEVER_SENT.has(code)) || CONNECT_TIMEOUT.test(error.message)
}

async function inTransaction<T>(pool: Pool, work: (query: Query) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  const query: Query = async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
    (await client.query<Row>(text, [...values])).rows
  try {
    await client.query('BEGIN')
    const result = await work(query)
    await client.query('COMMIT')
    client.release()
    return result
  } catch (error) {
    await abandon(client)
    throw error
  }
}

async function abandon(client: PoolClient): Promise<void> {
  try {
    await client.query('ROLLBACK')
    client.release()
  } catch {
    client.release(true)
  }
}

function connectionOf(uri: string, rootCertificate: string | null): { connectionString: string; ssl?: { ca: string } } {
  const url = new URL(uri)
  const mode = url.searchParams.get('sslmode')
  if (rootCertificate !== null) {
    // `sslmode` in the URI would replace the authority that was given beside it.
    url.searchParams.delete('sslmode')
    return { connectionString: url.href, ssl: { ca: rootCertificate } }
  }
  // pg takes `require` for `verify-full`, libpq and every other client of CloudNativePG's URI Secrets do not.
  if (mode === 'require' || mode === 'prefer') url.searchParams.set('uselibpqcompat', 'true')
  return { connectionString: url.href }
}
