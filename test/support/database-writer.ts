import pg from 'pg'

/**
 * One client that writes numbered rows, to whichever of its addresses accepts them, and remembers what was
 * acknowledged.
 */
export interface Writer {
  /** Ends it; the ids of the rows whose commit was answered. */
  stop(): Promise<{ readonly acknowledged: readonly number[]; readonly longestGap: number }>
}

export interface WriterOptions {
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  readonly user: string
  readonly password: string
  readonly database: string
  readonly intervalMs: number
}

/**
 * Writes until it is stopped. A refused or unanswered write is tried on the next address with a new id: an id is
 * acknowledged at most once.
 */
export function startWriter(options: WriterOptions): Writer {
  const acknowledged: number[] = []
  const times: number[] = [Date.now()]
  let stopped = false
  let at = 0
  const work = async (): Promise<void> => {
    let client: pg.Client | null = null
    for (let id = 1; !stopped; id++) {
      const began = Date.now()
      try {
        client ??= await open(options, at)
        await client.query('INSERT INTO ledger (id) VALUES ($1)', [id])
        acknowledged.push(id)
        times.push(Date.now())
      } catch {
        await client?.end().catch(() => undefined)
        client = null
        at = (at + 1) % options.addresses.length
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, options.intervalMs - (Date.now() - began))))
    }
    await client?.end().catch(() => undefined)
  }
  const done = work()
  return {
    async stop() {
      stopped = true
      await done
      const longestGap = times.reduce((longest, time, index) => Math.max(longest, time - (times[index - 1] ?? time)), 0)
      return { acknowledged, longestGap }
    },
  }
}

async function open(options: WriterOptions, at: number): Promise<pg.Client> {
  const address = options.addresses[at]
  if (address === undefined) throw new Error('no address')
  const client = new pg.Client({
    ...address,
    user: options.user,
    password: options.password,
    database: options.database,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    statement_timeout: 5_000,
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
