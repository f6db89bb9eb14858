import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** One write of a key of its own, and what became of it. */
interface RedisWrite {
  readonly key: string
  /** Milliseconds since 1970, of the answer. */
  readonly at: number
  readonly acknowledged: boolean
}

export interface RedisVerdict {
  readonly acknowledged: number
  readonly refused: number
  /** Acknowledged, and not in the master in the end; in the order in which they were written. */
  readonly lost: readonly RedisWrite[]
  /** The longest time without an acknowledged write, in milliseconds. */
  readonly longestGap: number
}

export interface RedisLedger {
  /** Ends the writes, and looks for each acknowledged one in the server that takes writes now. */
  stop(): Promise<RedisVerdict>
}

const ANSWER_MS = 1_000
const MASTER_WITHIN = 30_000

/**
 * A client that writes one key after another, until it is stopped, to whichever of these servers takes writes. A write
 * that is not acknowledged is tried nowhere else: the next one goes to the next server.
 */
export function startRedisLedger(
  addresses: readonly string[],
  { password, intervalMs }: { readonly password: string; readonly intervalMs: number },
): RedisLedger {
  const run = `ledger:${process.pid}:${Date.now()}`
  const writes: RedisWrite[] = []
  const clients = addresses.map((host) => connect(host, password))
  const stopping = new AbortController()
  let at = 0
  const write = async (key: string): Promise<void> => {
    const acknowledged = await usable(clients[at])
      .then((client) => client.set(key, key))
      .then(
        (answer) => answer === 'OK',
        () => false,
      )
    writes.push({ key, at: Date.now(), acknowledged })
    if (!acknowledged) at = (at + 1) % clients.length
  }
  const work = (async () => {
    for (let sequence = 1; !stopping.signal.aborted; sequence++) {
      await write(`${run}:${sequence}`)
      await sleep(intervalMs)
    }
  })()
  return {
    async stop() {
      stopping.abort()
      await work
      try {
        return await judged(writes, await masterOf(clients, run))
      } finally {
        for (const client of clients) client.disconnect()
      }
    },
  }
}

/** Does not connect by itself again: a write that waits for a connection would be late, and not refused. */
function connect(host: string, password: string): Redis {
  const client = new Redis({
    host,
    password,
    lazyConnect: true,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  })
  // A write says what became of it.
  client.on('error', () => undefined)
  return client
}

async function usable(client: Redis | undefined): Promise<Redis> {
  if (client === undefined) throw new Error('there is no Redis')
  if (client.status === 'wait' || client.status === 'end') await client.connect()
  return client
}

async function masterOf(clients: readonly Redis[], run: string): Promise<Redis> {
  for (const end = Date.now() + MASTER_WITHIN; Date.now() < end; await sleep(200))
    for (const one of clients) {
      const taken = await usable(one)
        .then(
          (client) => client.set(`${run}:end`, 'end'),
          () => null,
        )
        .catch(() => null)
      if (taken === 'OK') return one
    }
  throw new Error(`no Redis took a write within ${MASTER_WITHIN / 1_000} s after the drill`)
}

async function judged(writes: readonly RedisWrite[], master: Redis): Promise<RedisVerdict> {
  const acknowledged = writes.filter((write) => write.acknowledged)
  const values = acknowledged.length === 0 ? [] : await master.mget(acknowledged.map(({ key }) => key))
  const gaps = acknowledged.slice(1).map(({ at }, index) => at - (acknowledged[index]?.at ?? at))
  return {
    acknowledged: acknowledged.length,
    refused: writes.length - acknowledged.length,
    lost: acknowledged.filter(({ key }, index) => values[index] !== key),
    longestGap: gaps.reduce((longest, gap) => Math.max(longest, gap), 0),
  }
}
