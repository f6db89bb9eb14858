import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { provisionInstance, putSecret, readSecret } from '../../../lab/ledger/application-client.ts'
import { type Application, type ApplicationOptions, startApplication, startRefused } from '../../support/application.ts'
import { type Postgres, startPostgres } from '../../support/postgres.ts'
import { type RedisServer, startRedis } from '../../support/redis.ts'

let postgres: Postgres
let redis: RedisServer
let options: ApplicationOptions
const running: Application[] = []

async function start(more: Readonly<Record<string, string>> = {}): Promise<Application> {
  const application = await startApplication({ ...options, env: more })
  running.push(application)
  return application
}

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  options = { databaseUri: postgres.uri, redisUrl: redis.url }
}, 30_000)
beforeEach(async () => {
  await postgres.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((application) => application.kill()))
})
afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop()])
}, 20_000)

describe('the first boot', () => {
  test('starts green on an empty database and gives it an identity of its own', async () => {
    await start()
    expect(await postgres.sql('SELECT count(*) FROM infisical_migrations')).toBe('7')
    expect(await postgres.sql('SELECT count(*) FROM kms_root_config')).toBe('1')
    expect(await postgres.sql('SELECT initialized, "instanceId" IS NOT NULL FROM super_admin')).toBe('f|t')
  }, 30_000)

  test('takes less than 1.5 s', async () => {
    // The best of five: other work of the machine only adds to it.
    let best = Number.POSITIVE_INFINITY
    for (let boot = 0; boot < 5 && best >= 1_500; boot++) {
      await postgres.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
      const application = await start()
      best = Math.min(best, application.readyMs)
      await application.stop()
    }
    expect(best).toBeLessThan(1_500)
  }, 60_000)

  test('of three instances at once, one migrates and all serve', async () => {
    const three = await Promise.all([start(), start(), start()])
    expect(await postgres.sql('SELECT count(*), count(DISTINCT name) FROM infisical_migrations')).toBe('7|7')
    expect(await postgres.sql('SELECT count(*) FROM kms_root_config')).toBe('1')
    expect(three.filter((one) => one.said().includes('Startup lock acquired')).length).toBeGreaterThanOrEqual(1)
    expect(await postgres.sql('SELECT is_locked FROM infisical_migrations_startup_lock')).toBe('0')
    expect(await postgres.sql('SELECT is_locked FROM infisical_migrations_lock')).toBe('0')
  }, 30_000)

  test('a second boot keeps the identity and only reads, so it also starts on a read-only database', async () => {
    await (await start()).stop()
    const identity = await postgres.sql('SELECT "instanceId" FROM super_admin')
    await postgres.sql('ALTER DATABASE app SET default_transaction_read_only = on')
    try {
      const application = await start()
      expect(application.said()).toContain('No migrations pending')
      expect(await postgres.sql('SELECT "instanceId" FROM super_admin')).toBe(identity)
    } finally {
      await postgres.sql('ALTER DATABASE app RESET default_transaction_read_only')
    }
  }, 30_000)
})

describe('a boot that must refuse exits with 1 and says why', () => {
  test('a key that does not decrypt the root key, with the labels of both', async () => {
    await (await start()).stop()
    const before = await postgres.sql('SELECT count(*) FROM infisical_migrations')
    const { code, said } = await startRefused({ ...options, env: { ENCRYPTION_KEY: 'f'.repeat(32) } })
    expect(code).toBe(1)
    expect(said).toMatch(
      /The configured encryption key \(label [0-9a-f]{12}\) does not decrypt this database's root key\. This database was last written with encryption key label\(s\): [0-9a-f]{12}\./,
    )
    expect(said).not.toContain('ffff')
    expect(await postgres.sql('SELECT count(*) FROM infisical_migrations')).toBe(before)
  }, 30_000)

  test('the key is tried before a migration is run', async () => {
    await (await start()).stop()
    await postgres.sql(
      'DELETE FROM infisical_migrations WHERE id = 7; ALTER TABLE kms_root_config DROP COLUMN "keyLabel"',
    )
    const { code, said } = await startRefused({ ...options, env: { ENCRYPTION_KEY: 'f'.repeat(32) } })
    expect(code).toBe(1)
    expect(said).toContain('label(s): unknown')
    expect(await postgres.sql('SELECT count(*) FROM infisical_migrations')).toBe('6')
  }, 30_000)

  test('a database that cannot be reached, within 5 s', async () => {
    const began = performance.now()
    const { code, said } = await startRefused({ ...options, databaseUri: 'postgresql://app@127.0.0.1:1/app' })
    expect(code).toBe(1)
    expect(said).toContain('ECONNREFUSED')
    expect(performance.now() - began).toBeLessThan(5_000)
  }, 30_000)

  test('a history that has parted from ours', async () => {
    await (await start()).stop()
    await postgres.sql(`INSERT INTO infisical_migrations (name, batch) VALUES ('20240101000000_foreign.mjs', 1)`)
    const { code, said } = await startRefused(options)
    expect(code).toBe(1)
    expect(said).toContain(
      'Invalid migration history detected [database=application]. Unknown applied migrations: 20240101000000_foreign.mjs.',
    )
  }, 30_000)

  test('a database that was dumped in the middle of a migration', async () => {
    await (await start()).stop()
    await postgres.sql(
      'DELETE FROM infisical_migrations WHERE id = 7; UPDATE infisical_migrations_lock SET is_locked = 1',
    )
    const { code, said } = await startRefused(options)
    expect(code).toBe(1)
    expect(said).toContain('Migration table is already locked')
  }, 30_000)
})

describe('the schema and the image differ', () => {
  test('an older schema is migrated at boot', async () => {
    await (await start()).stop()
    await postgres.sql(
      'DELETE FROM infisical_migrations WHERE id = 7; ALTER TABLE kms_root_config DROP COLUMN "keyLabel"',
    )
    await start()
    expect(await postgres.sql('SELECT name, batch FROM infisical_migrations ORDER BY id DESC LIMIT 1')).toBe(
      '20260302101500_root-key-label.mjs|2',
    )
  }, 30_000)

  test('a newer schema is warned of and served', async () => {
    await (await start()).stop()
    await postgres.sql(`INSERT INTO infisical_migrations (name, batch) VALUES ('29990101000000_newer.mjs', 9)`)
    expect((await start()).said()).toContain('Database has migrations newer than this image')
  }, 30_000)

  test('the lock of an instance that died is taken over, one that is alive is waited for', async () => {
    await (await start()).stop()
    const hold = (age: string) =>
      postgres.sql(
        `DELETE FROM infisical_migrations WHERE name LIKE '2026%'; ALTER TABLE kms_root_config DROP COLUMN IF EXISTS "keyLabel";
         UPDATE infisical_migrations_startup_lock SET is_locked = 1, session_id = 'dead', heartbeat_updated_at = now() - interval '${age}'`,
      )
    await hold('1 minute')
    await (await start()).stop()
    await hold('13 seconds')
    const began = performance.now()
    await start()
    expect(performance.now() - began).toBeGreaterThan(1_500)
  }, 30_000)
})

describe('Hanzo KMS', () => {
  const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64')
  const env = {
    ENCRYPTION_KEY: '',
    ROOT_ENCRYPTION_KEY: key(1),
    ORG_ENCRYPTION_KEYS: JSON.stringify({ standby: key(2) }),
  }

  test('starts green without the right key of the organization, and neither reads nor writes its secrets', async () => {
    const first = await start(env)
    const credentials = await provisionInstance(first.address)
    await putSecret(first.address, credentials, 'CANARY', 'tweet')
    await first.stop()
    const forgotten = await start({ ...env, ORG_ENCRYPTION_KEYS: '' })
    await expect(readSecret(forgotten.address, credentials, 'CANARY')).rejects.toThrow('ORG_ENCRYPTION_KEYS')
    await expect(putSecret(forgotten.address, credentials, 'CANARY', 'silence')).rejects.toThrow('ORG_ENCRYPTION_KEYS')
    const right = await start(env)
    expect(await readSecret(right.address, credentials, 'CANARY')).toBe('tweet')
  }, 30_000)
})
