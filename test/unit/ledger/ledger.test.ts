import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type Credentials,
  provisionInstance,
  putSecret,
  readAllIds,
  readSecret,
} from '../../../lab/ledger/application-client.ts'
import { judgeLedger, longestGap } from '../../../lab/ledger/judge-ledger.ts'
import { startLedgerProcess } from '../../../lab/ledger/ledger-process.ts'
import { type Ledger, type LedgerOptions, outcomeOf, startLedger } from '../../../lab/ledger/start-ledger.ts'
import { type Application, startApplication } from '../../support/application.ts'
import { eventually } from '../../support/eventually.ts'
import { type Postgres, startPostgres } from '../../support/postgres.ts'
import { type RedisServer, startRedis } from '../../support/redis.ts'
import { freePorts } from '../../support/server-process.ts'

let postgres: Postgres
let redis: RedisServer
let application: Application
let credentials: Credentials
let directory: string
let port: number
let files = 0

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  port = Number((await freePorts(1))[0])
  application = await startApplication({ databaseUri: postgres.uri, redisUrl: redis.url, port })
  credentials = await provisionInstance(application.address)
  directory = await mkdtemp(join(tmpdir(), 'standby-ledger-'))
}, 30_000)
afterAll(async () => {
  await application?.kill()
  await Promise.all([postgres?.stop(), redis?.stop()])
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
}, 20_000)

function options(more: Partial<LedgerOptions> = {}): LedgerOptions {
  files += 1
  return {
    addresses: [application.address],
    credentials,
    intervalMs: 20,
    file: join(directory, `ledger-${files}.jsonl`),
    ...more,
  }
}

/** What a busy machine may take for a write or a start, in milliseconds. */
const SLOW_MACHINE = 5_000

const acknowledged = (ledger: Ledger, count: number): Promise<void> =>
  eventually(
    `${count} acknowledged writes`,
    async () => ledger.entries.filter(({ outcome }) => outcome === 'acknowledged').length >= count,
  )

const verdictOn = async (entries: Parameters<typeof judgeLedger>[0]) =>
  judgeLedger(entries, await readAllIds(application.address, credentials))

async function listenLike(answer: Parameters<typeof createServer>[1]): Promise<{ server: Server; address: string }> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('a ledger', () => {
  test('of a healthy application: all acknowledged, all there', async () => {
    const ledger = await startLedger(options())
    await acknowledged(ledger, 16)
    const summary = await ledger.stop()
    expect(summary.acknowledged).toBeGreaterThan(15)
    expect(summary).toMatchObject({ failed: 0, unknown: 0, bySite: { direct: summary.acknowledged } })
    expect(await verdictOn(ledger.entries)).toMatchObject({
      lostAcknowledged: [],
      ghosts: [],
      unexpected: [],
      recovered: [],
    })
  })

  test('finds what was acknowledged and is lost', async () => {
    const ledger = await startLedger(options())
    await acknowledged(ledger, 2)
    await ledger.stop()
    const [first, second] = ledger.entries.map(({ id }) => id)
    await postgres.sql(`DELETE FROM secrets_v2 WHERE key IN ('${first}', '${second}')`)
    expect((await verdictOn(ledger.entries)).lostAcknowledged).toEqual([first, second])
  })

  test('of an application that is killed and comes back: nothing acknowledged is lost, no answer lied, the gap is seen', async () => {
    const ledger = await startLedger(options())
    await acknowledged(ledger, 5)
    await application.kill()
    const killedAt = performance.timeOrigin + performance.now()
    await pause(800)
    application = await startApplication({ databaseUri: postgres.uri, redisUrl: redis.url, port })
    const backAt = performance.timeOrigin + performance.now()
    await acknowledged(ledger, ledger.entries.length + 1)
    const summary = await ledger.stop()
    expect(await verdictOn(ledger.entries)).toMatchObject({ lostAcknowledged: [], ghosts: [], unexpected: [] })
    expect(summary.failed).toBeGreaterThan(10)
    const gap = longestGap(ledger.entries)
    expect(gap).toMatchObject({ open: false })
    expect(gap?.durationMs).toBeGreaterThan(800)
    expect(gap?.from).toBeLessThan(killedAt + SLOW_MACHINE)
    expect(gap?.to).toBeLessThan(backAt + SLOW_MACHINE)
  }, 20_000)

  test('goes on with the next load balancer when one refuses connections, with no write lost or doubted', async () => {
    const ledger = await startLedger(options({ addresses: ['http://127.0.0.1:1', application.address] }))
    await acknowledged(ledger, 11)
    const summary = await ledger.stop()
    expect(summary).toMatchObject({ failed: 0, unknown: 0 })
    expect(summary.acknowledged).toBeGreaterThan(10)
  })

  test('goes on with the next load balancer when one has no backend', async () => {
    const { server, address } = await listenLike((_, response) => response.writeHead(503).end('<html>'))
    const ledger = await startLedger(options({ addresses: [address, application.address] }))
    await acknowledged(ledger, 11)
    const summary = await ledger.stop()
    server.close()
    expect(summary).toMatchObject({ failed: 0, unknown: 0 })
    expect(summary.acknowledged).toBeGreaterThan(10)
  })

  test('a load balancer that falls silent costs the writes in hand, as unknown, and no more', async () => {
    let silent = false
    const { server, address } = await listenLike((request, response) => {
      if (silent) return
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', async () => {
        const answer = await fetch(`${application.address}${request.url}`, {
          method: request.method ?? 'GET',
          headers: { 'content-type': 'application/json', authorization: request.headers.authorization ?? '' },
          body: Buffer.concat(chunks),
        })
        response.writeHead(answer.status, { 'x-standby-site': 'dc-a' }).end(await answer.text())
      })
    })
    const ledger = await startLedger(options({ addresses: [address, application.address], answerMs: 500 }))
    await acknowledged(ledger, 6)
    silent = true
    const direct = () =>
      ledger.entries.filter(({ outcome, site }) => outcome === 'acknowledged' && site === null).length
    await eventually('writes that go on', async () => direct() > 5)
    const summary = await ledger.stop()
    server.closeAllConnections()
    server.close()
    expect(summary.bySite['dc-a']).toBeGreaterThan(5)
    expect(summary.bySite.direct).toBeGreaterThan(5)
    expect(summary.unknown).toBeGreaterThan(0)
    expect(summary.reasons).toEqual({ 'answer-timeout': summary.unknown })
    expect(summary.longestGap?.durationMs).toBeLessThan(500 + SLOW_MACHINE)
    expect(await verdictOn(ledger.entries)).toMatchObject({ lostAcknowledged: [], ghosts: [] })
  }, 20_000)

  test('logs in again when its token is refused, and loses no write by it', async () => {
    const ledger = await startLedger(options())
    await acknowledged(ledger, 1)
    await postgres.sql('DELETE FROM identity_access_tokens')
    await acknowledged(ledger, ledger.entries.length + 1)
    const summary = await ledger.stop()
    expect(summary).toMatchObject({ failed: 0, unknown: 0 })
    // One for each write that was under way with the old one.
    expect(Number(await postgres.sql('SELECT count(*) FROM identity_access_tokens'))).toBeGreaterThan(0)
  })

  test('a login that is refused is a failed write, not the end of the ledger', async () => {
    const ledger = await startLedger(
      options({ credentials: { ...credentials, clientSecret: 'wrong' }, intervalMs: 50 }),
    )
    await eventually('a write that failed', async () => ledger.entries.some(({ outcome }) => outcome === 'failed'))
    const summary = await ledger.stop()
    expect(summary).toMatchObject({ acknowledged: 0, unknown: 0 })
    expect(summary.failed).toBeGreaterThan(0)
    expect(Object.keys(summary.reasons)).toEqual(['login-http-401'])
  })
})

describe('a ledger in a process of its own', () => {
  test('stops on request and has everything on the disk', async () => {
    const ledger = await startLedgerProcess(options())
    await eventually('some writes', async () => (await ledger.entries()).length > 10)
    const summary = await ledger.stop()
    expect(summary.acknowledged).toBeGreaterThan(10)
    expect(await ledger.entries()).toHaveLength(summary.acknowledged + summary.failed + summary.unknown)
    expect(await verdictOn(await ledger.entries())).toMatchObject({ lostAcknowledged: [], unexpected: [] })
  })

  test('killed in the middle, it forgets no write that it may have sent', async () => {
    const ledger = await startLedgerProcess(options({ intervalMs: 5 }))
    await eventually('some writes', async () => (await ledger.entries()).length > 10)
    process.kill(ledger.pid, 'SIGKILL')
    await pause(300)
    const entries = await ledger.entries()
    expect(entries.length).toBeGreaterThan(10)
    expect(await verdictOn(entries)).toMatchObject({ lostAcknowledged: [], ghosts: [], unexpected: [] })
  })

  test('a test that fails before it stops its ledger does not run on for ever', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../../lab/ledger/ledger-process.ts'))
    const text = `import { startLedgerProcess } from ${module}
      await startLedgerProcess(${JSON.stringify(options())})`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', text], {
      stdio: 'inherit',
      timeout: 30_000,
    })
    expect(await once(parent, 'close')).toEqual([0, null])
  }, 40_000)

  test('says why it cannot begin', async () => {
    await expect(startLedgerProcess(options({ file: '/no/such/directory/ledger.jsonl' }))).rejects.toThrow('ENOENT')
  })
})

test('only an answer that promises that nothing was written counts as failed', () => {
  const outcomes = Object.fromEntries(
    [200, 201, 400, 401, 404, 408, 429, 500, 502, 503, 504].map((status) => [status, outcomeOf({ status }).outcome]),
  )
  expect(outcomes).toEqual({
    200: 'acknowledged',
    201: 'acknowledged',
    400: 'failed',
    401: 'failed',
    404: 'failed',
    408: 'unknown',
    429: 'failed',
    500: 'unknown',
    502: 'unknown',
    503: 'failed',
    504: 'unknown',
  })
})

test('a canary is written, overwritten and read', async () => {
  await putSecret(application.address, credentials, 'STANDBY_CANARY', 'first')
  await putSecret(application.address, credentials, 'STANDBY_CANARY', 'second')
  expect(await readSecret(application.address, credentials, 'STANDBY_CANARY')).toBe('second')
})
