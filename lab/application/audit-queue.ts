import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Database } from './database.ts'
import { log, reasonOf } from './log.ts'

export interface AuditEvent {
  readonly actor: string
  readonly actorMetadata: Readonly<Record<string, unknown>>
  readonly ipAddress: string | null
  readonly eventType: string
  readonly eventMetadata: Readonly<Record<string, unknown>>
  readonly orgId: string
  readonly projectId: string | null
}

export interface AuditQueue {
  /** Queues an event; a Redis that does not answer within a second costs the event, never the request. */
  push(event: AuditEvent): Promise<void>
  /** Consumes until it is closed. */
  startWorker(database: Database): void
  close(): Promise<void>
}

/** The keys of a BullMQ queue, so that an inspection of a backup finds what the real application leaves there. */
const key = (name: string): string => `bull:audit-log:${name}`
const KEPT_COMPLETED = 1_000
const COMMAND_TIMEOUT_MS = 1_000
/** How long the server lets a worker wait for the next job before it looks whether it shall end. */
const BLOCK_S = 1

export function openAuditQueue(url: string): AuditQueue {
  const producer = connect(url, 'producer')
  const ending = new AbortController()
  let worker: Promise<void> = Promise.resolve()
  let consumer: Redis | null = null
  return {
    push: async (event) => {
      try {
        await enqueue(producer, event)
      } catch (error) {
        log('error', 'An audit event could not be queued', { reason: reasonOf(error), eventType: event.eventType })
      }
    },
    startWorker: (database) => {
      consumer = connect(url, 'worker')
      worker = consume(consumer, database, ending.signal)
    },
    close: async () => {
      ending.abort()
      // Ends a blocking wait at once; a job in hand stays in `active` and comes back at the next start.
      consumer?.disconnect()
      producer.disconnect()
      await worker
    },
  }
}

function connect(url: string, role: 'producer' | 'worker'): Redis {
  const redis = new Redis(url, {
    connectTimeout: 2_000,
    maxRetriesPerRequest: 1,
    // The worker's own wait on the server must not be taken for silence.
    commandTimeout: COMMAND_TIMEOUT_MS + (role === 'worker' ? BLOCK_S * 1_000 : 0),
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1_000),
  })
  let reported = ''
  redis.on('error', (error: Error) => {
    // A Redis that is away is said once, not at each attempt.
    if (error.message !== reported) log('warn', 'Redis connection failed', { role, reason: reasonOf(error) })
    reported = error.message
  })
  redis.on('ready', () => (reported = ''))
  return redis
}

async function enqueue(redis: Redis, event: AuditEvent): Promise<void> {
  const id = await redis.incr(key('id'))
  // The row's id travels with the job: a job that is done twice writes one row.
  const job = { rowId: randomUUID(), timestamp: Date.now(), data: JSON.stringify(event) }
  const replies = await redis
    .multi()
    .hset(key('meta'), 'opts.maxLenEvents', '10000', 'version', 'bullmq')
    .hset(key(String(id)), job)
    .lpush(key('wait'), String(id))
    .exec()
  const failed = replies?.find(([error]) => error !== null)
  if (failed?.[0]) throw failed[0]
}

async function consume(redis: Redis, database: Database, signal: AbortSignal): Promise<void> {
  let recovered = false
  while (!signal.aborted) {
    try {
      if (!recovered) await returnActive(redis)
      recovered = true
      const id = await redis.blmove(key('wait'), key('active'), 'RIGHT', 'LEFT', BLOCK_S)
      if (id !== null) await runJob(redis, database, id)
    } catch (error) {
      if (signal.aborted) return
      log('warn', 'The audit worker waits', { reason: reasonOf(error) })
      recovered = false
      await pauseUnlessEnding(signal)
    }
  }
}

/** What a worker held when it died; another live worker may hold some of it, and doing that twice is harmless. */
async function returnActive(redis: Redis): Promise<void> {
  while ((await redis.lmove(key('active'), key('wait'), 'LEFT', 'RIGHT')) !== null);
}

async function runJob(redis: Redis, database: Database, id: string): Promise<void> {
  const job = await redis.hgetall(key(id))
  if (job.data !== undefined && job.rowId !== undefined)
    await writeRow(database, job.rowId, Number(job.timestamp), job.data)
  await redis
    .multi()
    .lrem(key('active'), 0, id)
    .del(key(id))
    .zadd(key('completed'), Date.now(), id)
    .zremrangebyrank(key('completed'), 0, -KEPT_COMPLETED - 1)
    .exec()
}

async function writeRow(database: Database, rowId: string, timestamp: number, data: string): Promise<void> {
  const event = JSON.parse(data) as AuditEvent
  await database.query(
    `INSERT INTO audit_logs (id, actor, "actorMetadata", "ipAddress", "eventType", "eventMetadata", "orgId", "projectId", "createdAt")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9 / 1000.0)) ON CONFLICT (id) DO NOTHING`,
    [
      rowId,
      event.actor,
      JSON.stringify(event.actorMetadata),
      event.ipAddress,
      event.eventType,
      JSON.stringify(event.eventMetadata),
      event.orgId,
      event.projectId,
      timestamp,
    ],
  )
}

function pauseUnlessEnding(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, 500)
    signal.addEventListener('abort', end, { once: true })
  })
}
