import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type Credentials,
  labProvisioning,
  logIn,
  provisionInstance,
  putSecret,
  readSecret,
} from '../../../lab/ledger/application-client.ts'
import { openConnection } from '../../../lab/ledger/http-connection.ts'
import { type Application, type ApplicationOptions, startApplication } from '../../support/application.ts'
import { eventually } from '../../support/eventually.ts'
import { type Postgres, startPostgres } from '../../support/postgres.ts'
import { type RedisServer, startRedis } from '../../support/redis.ts'

const run = promisify(execFile)
let postgres: Postgres
let redis: RedisServer
let options: ApplicationOptions
let application: Application
let credentials: Credentials
const others: Application[] = []

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  options = { databaseUri: postgres.uri, redisUrl: redis.url }
  application = await startApplication(options)
  credentials = await provisionInstance(application.address)
}, 30_000)
afterEach(async () => {
  await Promise.all(others.splice(0).map((one) => one.kill()))
})
afterAll(async () => {
  await application?.kill()
  await Promise.all([postgres?.stop(), redis?.stop()])
}, 20_000)

async function start(more: Partial<ApplicationOptions>): Promise<Application> {
  const one = await startApplication({ ...options, ...more })
  others.push(one)
  return one
}

async function tokenOf(address: string): Promise<string> {
  const connection = openConnection(address)
  try {
    return await logIn(connection, credentials)
  } finally {
    connection.close()
  }
}

interface Reply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly ms: number
}

async function ask(address: string, method: string, path: string, token: string | null, body?: object): Promise<Reply> {
  const began = performance.now()
  const response = await fetch(`${address}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  })
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    ms: performance.now() - began,
  }
}

const folder = () => ({ projectId: credentials.projectId, environment: 'prod' })
const auditRows = (name: string): Promise<string> =>
  postgres.sql(`SELECT count(*) FROM audit_logs WHERE "eventMetadata"->>'secretKey' = '${name}'`)

/** Stops every process of the server with its sockets open, as a data centre that hangs. */
async function freezeDatabase(): Promise<() => Promise<void>> {
  const pids = [String(postgres.pid), ...(await run('pgrep', ['-P', String(postgres.pid)])).stdout.trim().split('\n')]
  await run('kill', ['-STOP', ...pids])
  return async () => {
    await run('kill', ['-CONT', ...pids])
  }
}

describe('secrets', () => {
  test('are created once, read, changed and deleted, by the newer and the older path', async () => {
    const token = await tokenOf(application.address)
    const at = (path: string, method: string, body?: object) => ask(application.address, method, path, token, body)
    expect((await at('/api/v4/secrets/ONE', 'POST', { ...folder(), secretValue: 'first' })).status).toBe(200)
    expect((await at('/api/v4/secrets/ONE', 'POST', { ...folder(), secretValue: 'again' })).status).toBe(400)
    expect(
      (await at('/api/v4/secrets/ONE', 'PATCH', { ...folder(), secretValue: 'second' })).body.secret,
    ).toMatchObject({ version: 2 })
    const older = new URLSearchParams({ workspaceId: credentials.projectId, environment: 'prod' }).toString()
    expect((await at(`/api/v3/secrets/raw/ONE?${older}`, 'GET')).body.secret).toMatchObject({
      secretKey: 'ONE',
      secretValue: 'second',
    })
    expect((await at('/api/v4/secrets/ONE', 'DELETE', folder())).status).toBe(200)
    expect((await at(`/api/v3/secrets/raw/ONE?${older}`, 'GET')).status).toBe(404)
  })

  test('are not readable in the database', async () => {
    await putSecret(application.address, credentials, 'HIDDEN', 'a-very-visible-value')
    expect(await readSecret(application.address, credentials, 'HIDDEN')).toBe('a-very-visible-value')
    const rows = await postgres.sql(`SELECT encode("encryptedValue", 'escape') FROM secrets_v2 WHERE key = 'HIDDEN'`)
    expect(rows.length).toBeGreaterThan(0)
    expect(rows).not.toContain('visible')
  })

  test('belong to those who have a token of this database', async () => {
    const path = `/api/v4/secrets?${new URLSearchParams(folder()).toString()}`
    expect((await ask(application.address, 'GET', path, null)).status).toBe(401)
    expect((await ask(application.address, 'GET', path, 'a.b.c')).status).toBe(401)
    const token = await tokenOf(application.address)
    expect((await ask(application.address, 'GET', path, token)).status).toBe(200)
    await postgres.sql('DELETE FROM identity_access_tokens')
    expect((await ask(application.address, 'GET', path, token)).status).toBe(401)
  })

  test('a wrong client secret is refused', async () => {
    const connection = openConnection(application.address)
    await expect(logIn(connection, { ...credentials, clientSecret: `${credentials.clientSecret}x` })).rejects.toThrow(
      'Invalid credentials',
    )
    connection.close()
  })

  test('a body that is no JSON object is a 400, an unknown route a 404', async () => {
    const response = await fetch(`${application.address}/api/v1/admin/bootstrap`, { method: 'POST', body: '[' })
    expect(response.status).toBe(400)
    expect((await ask(application.address, 'GET', '/api/v1/instance', null)).status).toBe(404)
  })
})

describe('the instance', () => {
  test('is set up once', async () => {
    await expect(provisionInstance(application.address, labProvisioning)).rejects.toThrow(
      'Instance has already been set up',
    )
  })

  test('says who it is', async () => {
    const { body } = await ask(application.address, 'GET', '/api/v1/admin/config', null)
    expect(body.config).toMatchObject({
      initialized: true,
      instanceId: await postgres.sql('SELECT "instanceId" FROM super_admin'),
    })
  })
})

describe('the queue', () => {
  test('a write becomes one audit row, through Redis', async () => {
    await putSecret(application.address, credentials, 'AUDITED', 'x')
    await eventually('the audit row', async () => (await auditRows('AUDITED')) === '1')
    expect(await redis.command('HGET', 'bull:audit-log:meta', 'version')).toBe('bullmq')
  })

  test('an instance without workers leaves the job to one that has them', async () => {
    await application.stop()
    const api = await start({ env: { INFISICAL_RUN_MODES: 'api' } })
    await putSecret(api.address, credentials, 'WAITING', 'x')
    await pause(500)
    expect(await auditRows('WAITING')).toBe('0')
    expect(Number(await redis.command('LLEN', 'bull:audit-log:wait'))).toBeGreaterThan(0)
    application = await startApplication(options)
    await eventually('the audit row', async () => (await auditRows('WAITING')) === '1')
  }, 30_000)

  test('a job that a dead worker held is done after all, and one that was done twice leaves one row', async () => {
    await application.kill()
    const api = await start({ env: { QUEUE_WORKERS_ENABLED: 'false' } })
    await putSecret(api.address, credentials, 'HELD', 'x')
    const id = await redis.command('LMOVE', 'bull:audit-log:wait', 'bull:audit-log:active', 'RIGHT', 'LEFT')
    await redis.command('RPUSH', 'bull:audit-log:wait', id)
    application = await startApplication(options)
    await eventually('the audit row', async () => (await auditRows('HELD')) === '1')
    await eventually('an empty queue', async () => (await redis.command('LLEN', 'bull:audit-log:active')) === '0')
    expect(await auditRows('HELD')).toBe('1')
  }, 30_000)

  test('a Redis that is away costs the event and two seconds at most, never the write', async () => {
    const alone = await start({ redisUrl: 'redis://127.0.0.1:1' })
    const token = await tokenOf(alone.address)
    const { status, ms } = await ask(alone.address, 'POST', '/api/v4/secrets/NO_REDIS', token, {
      ...folder(),
      secretValue: 'x',
    })
    expect(status).toBe(200)
    expect(ms).toBeLessThan(2_000)
    expect(alone.said()).toContain('An audit event could not be queued')
  }, 30_000)
})

describe('a database that cannot write', () => {
  test('that only follows: status stays 200, a write is a 503 at once, and works again afterwards', async () => {
    const token = await tokenOf(application.address)
    await postgres.sql('ALTER SYSTEM SET default_transaction_read_only = on')
    await postgres.sql('SELECT pg_reload_conf()')
    try {
      const write = () =>
        ask(application.address, 'POST', '/api/v4/secrets/READ_ONLY', token, { ...folder(), secretValue: 'x' })
      await eventually('the refusal', async () => (await write()).status === 503)
      expect((await ask(application.address, 'GET', '/api/status', null)).status).toBe(200)
    } finally {
      await postgres.sql('ALTER SYSTEM RESET default_transaction_read_only')
      await postgres.sql('SELECT pg_reload_conf()')
    }
    await eventually('a write', async () => {
      const { status } = await ask(application.address, 'POST', '/api/v4/secrets/WRITABLE', token, {
        ...folder(),
        secretValue: 'x',
      })
      return status === 200
    })
  }, 30_000)

  test('that is frozen: each request ends within 5 s, status answers at once, and service returns with the database', async () => {
    const token = await tokenOf(application.address)
    const thaw = await freezeDatabase()
    try {
      const writes = await Promise.all(
        [1, 2, 3].map((n) =>
          ask(application.address, 'POST', `/api/v4/secrets/FROZEN_${n}`, token, { ...folder(), secretValue: 'x' }),
        ),
      )
      for (const { status, ms } of writes) {
        expect(status).toBeGreaterThanOrEqual(500)
        expect(ms).toBeLessThan(5_000)
      }
      const { status, ms } = await ask(application.address, 'GET', '/api/status', null)
      expect(status).toBe(200)
      expect(ms).toBeLessThan(500)
    } finally {
      await thaw()
    }
    await eventually('a write', async () => {
      const reply = await ask(application.address, 'POST', `/api/v4/secrets/THAWED_${Date.now()}`, token, {
        ...folder(),
        secretValue: 'x',
      })
      return reply.status === 200
    })
  }, 30_000)
})

describe('a secondary', () => {
  test('hands mutations to the primary and reads by itself', async () => {
    const secondary = await start({
      env: { INFISICAL_PRIMARY_INSTANCE_URL: application.address, INFISICAL_RUN_MODES: 'api' },
    })
    await putSecret(secondary.address, credentials, 'THROUGH', 'the primary')
    expect(await readSecret(secondary.address, credentials, 'THROUGH')).toBe('the primary')
  }, 30_000)

  test('says 502 when the primary is away, and status stays 200', async () => {
    const secondary = await start({ env: { INFISICAL_PRIMARY_INSTANCE_URL: 'http://127.0.0.1:1' } })
    expect((await ask(secondary.address, 'POST', '/api/v4/secrets/X', null, folder())).status).toBe(502)
    expect((await ask(secondary.address, 'GET', '/api/status', null)).status).toBe(200)
  }, 30_000)
})

describe('SIGTERM', () => {
  test('ends with 0 within 3 s, also while a client keeps its connection and Redis is away', async () => {
    const one = await start({ redisUrl: 'redis://127.0.0.1:1' })
    const connection = openConnection(one.address)
    await connection.ask({ method: 'GET', path: '/api/status', deadlineMs: 1_000 })
    const { code, ms } = await one.stop()
    connection.close()
    expect(code).toBe(0)
    expect(ms).toBeLessThan(3_000)
  }, 30_000)

  test('ends within 3 s although the database hangs in the middle of a write', async () => {
    const one = await start({})
    const token = await tokenOf(one.address)
    const thaw = await freezeDatabase()
    try {
      const write = ask(one.address, 'POST', '/api/v4/secrets/HANGING', token, { ...folder(), secretValue: 'x' }).catch(
        () => null,
      )
      await pause(100)
      expect((await one.stop()).ms).toBeLessThan(3_000)
      await write
    } finally {
      await thaw()
    }
  }, 30_000)

  test('writes that are under way are answered before the process ends', async () => {
    const one = await start({})
    const token = await tokenOf(one.address)
    const writes = Array.from({ length: 20 }, (_, n) =>
      ask(one.address, 'POST', `/api/v4/secrets/DRAIN_${n}`, token, { ...folder(), secretValue: 'x' }),
    )
    await writes[0]
    const [{ code }, replies] = await Promise.all([one.stop(), Promise.allSettled(writes)])
    expect(code).toBe(0)
    // On a busy machine some have not reached the server when it closes its port: their connection fails, and they get
    // no wrong answer.
    const answered = replies.flatMap((reply) => (reply.status === 'fulfilled' ? [reply.value.status] : []))
    expect(new Set(answered)).toEqual(new Set([200]))
    expect(answered.length).toBeGreaterThan(1)
    const unsent = replies.flatMap((reply) =>
      reply.status === 'rejected' ? [(reply.reason as { cause?: { code?: string } }).cause?.code] : [],
    )
    for (const cause of unsent) expect(cause).toMatch(/^ECONN(RESET|REFUSED)$/)
  }, 30_000)
})
