import { createHash } from 'node:crypto'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { DUMP, FETCH, LOAD } from '../../../../src/drivers/redis/scripts.ts'
import { askServer, type ServerFacts } from '../../../../src/drivers/redis/server.ts'
import { newestDump } from '../../../../src/systems/redis/catalogue.ts'
import { missingOf } from '../../../../src/systems/redis/count-keys.ts'
import { type Ended, PASSWORD, podsPerTest, type RedisPod, run, script } from '../../../support/redis-pods.ts'

const signal = new AbortController().signal
const pods = podsPerTest()

const serve = (name: string): Promise<RedisPod> => pods().serve(name)
const folder = (...parts: string[]): string => pods().folder(...parts)
const upload = (work: string, prefix: string, more?: Record<string, string>): Promise<Ended> =>
  pods().upload(work, prefix, more)
const store = (): ObjectStoreClient => pods().store()
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

const FUNCTION = `#!lua name=of_a_test
redis.register_function('one', function() return 1 end)`
const FILL = `redis.call('SELECT', ARGV[1]); for n = 1, tonumber(ARGV[2]) do redis.call('SET', 'key-' .. n, n) end`
const DESCRIPTION = {
  schemaVersion: 1,
  takenAt: '2026-01-01T00:00:00Z',
  keys: 1,
  expired: 0,
  bytes: 1,
  sha256: 'a'.repeat(64),
}

/** What is asked of a server in its pod. */
const facts = (redis: RedisPod): Promise<ServerFacts> =>
  askServer(
    {
      site: 'dc-a',
      exec: async (_pod: object, [command = '', ...args]: readonly string[]) => run(command, args, redis.env),
    } as unknown as KubernetesClient,
    { namespace: 'n', name: 'redis-0', container: 'redis' },
    signal,
  )

async function dumpOf(redis: RedisPod): Promise<string> {
  const work = folder('work')
  expect(await script(DUMP, { ...redis.env, WORK: work })).toMatchObject({ code: 0 })
  return work
}
async function request(
  name: string,
  id: string,
  url: string,
  sha256: string,
): Promise<{ REQUEST: string; DATA: string }> {
  const place = folder(name, 'request')
  for (const [key, value] of Object.entries({ id, url, sha256 })) writeFileSync(join(place, key), value)
  return { REQUEST: place, DATA: folder(name, 'data') }
}

describe('a dump of Redis', () => {
  test('is whole, described and found again as the newest, with the key count of the server', async () => {
    const redis = await serve('a')
    for (let n = 0; n < 25; n++) await redis.cli('SET', `key-${n}`, 'x'.repeat(n))
    const work = await dumpOf(redis)
    expect(await upload(work, 'redis/')).toMatchObject({ code: 0 })
    const found = await newestDump(store(), 'redis/', signal)
    expect(found).toMatchObject({
      site: 'dc-a',
      keys: 25,
      expired: 0,
      redisVersion: expect.stringMatching(/^\d+\./),
      rdbVersion: '10',
    })
    expect(found?.storedBytes).toBe(found?.bytes)
    expect(found?.sha256).toBe(sha256(join(work, 'dump.rdb')))
  })

  test('counts each logical database, what expires there, and the libraries of functions, of any size', async () => {
    const redis = await serve('a')
    await redis.cli('FUNCTION', 'LOAD', FUNCTION)
    await redis.cli('EVAL', FILL, '0', '0', '70')
    await redis.cli('EVAL', FILL, '0', '3', '20000')
    await redis.cli('-n', '15', 'SET', 'for-good', '1')
    await redis.cli('-n', '15', 'SET', 'for-an-hour', '1', 'EX', '3600')
    await upload(await dumpOf(redis), 'databases/')
    const found = await newestDump(store(), 'databases/', signal)
    expect(found).toMatchObject({ keys: 20_072, expired: 0, libraries: 1 })
    expect(found?.databases).toEqual({
      0: { keys: 70, expiring: 0 },
      3: { keys: 20_000, expiring: 0 },
      15: { keys: 2, expiring: 1 },
    })
  })

  test.each([
    ['is no JSON', '{"schemaVersion":1'],
    ['lacks its counts', '{"schemaVersion":1,"takenAt":"2026-11-29T00:00:00Z"}'],
    ['counts with words', JSON.stringify({ ...DESCRIPTION, keys: 'many' })],
    [
      'counts a database below nothing',
      JSON.stringify({ ...DESCRIPTION, databases: { 1: { keys: -1, expiring: 0 } } }),
    ],
  ])('whose description %s is damaged, and never restored by it', async (_, body) => {
    await store().put(`${pods().id}/20260101T000000Z.json`, body)
    await expect(newestDump(store(), `${pods().id}/`, signal)).rejects.toMatchObject({ code: 'dump-damaged' })
  })

  test('that was not described is not complete, and is not found', async () => {
    const redis = await serve('a')
    await upload(await dumpOf(redis), 'half/')
    for (const object of await store().list('half/')) if (object.key.endsWith('.json')) await store().remove(object.key)
    expect(await newestDump(store(), 'half/', signal)).toBeNull()
  })

  test('never takes the place of another: a second upload under the same time is refused', async () => {
    const work = await dumpOf(await serve('a'))
    expect(await upload(work, 'once/')).toMatchObject({ code: 0 })
    const again = await upload(work, 'once/')
    expect(again.code).not.toBe(0)
    expect(again.stderr).toContain('storing once/')
  })

  test('that fails to be stored says what the object store answered, and nothing of the secret', async () => {
    const ended = await upload(await dumpOf(await serve('a')), 'denied/', { SECRET_ACCESS_KEY: 'wrong-secret-of-mine' })
    expect(ended.code).not.toBe(0)
    expect(ended.stderr).toContain('SignatureDoesNotMatch')
    expect(ended.stderr + ended.stdout).not.toContain('wrong-secret-of-mine')
  })

  test('with a wrong password, or of a server that is away, fails with the reason', async () => {
    const redis = await serve('a')
    const env = { WORK: folder('work'), REDIS_HOST: '127.0.0.1', SITE: 'dc-a' }
    const refused = await script(DUMP, { ...env, PORT: String(redis.port), REDISCLI_AUTH: 'wrong' })
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/WRONGPASS|NOAUTH/)
    await redis.stop()
    const away = await script(DUMP, { ...env, PORT: String(redis.port), REDISCLI_AUTH: PASSWORD })
    expect(away.code).not.toBe(0)
    expect(away.stderr).toContain('Connection refused')
  })

  test('goes when it is older than the retention, and only then; what is no dump stays', async () => {
    const old = ['20200101T000000Z.rdb', '20200101T000000Z.json', '20200102T000000Z.rdb']
    for (const name of [...old, 'notes.txt', '20200101T000000Z.txt']) await store().put(`old/${name}`, 'x')
    expect(await upload(await dumpOf(await serve('a')), 'old/')).toMatchObject({ code: 0 })
    const left = (await store().list('old/')).map((object) => object.key)
    expect(left).toHaveLength(4)
    expect(left).toEqual(expect.arrayContaining(['old/notes.txt', 'old/20200101T000000Z.txt']))
  })

  test("that lies in a folder below is another component's: it never goes, and never counts as the newest", async () => {
    const others = [
      'nested/queue/20200101T000000Z.rdb',
      'nested/queue/20200101T000000Z.json',
      'nested/z/20990101T000000Z.json',
    ]
    for (const key of [...others, 'nested-too/20200101T000000Z.rdb']) await store().put(key, '{}')
    expect(await upload(await dumpOf(await serve('a')), 'nested/')).toMatchObject({ code: 0 })
    const left = (await store().list('nested')).map((object) => object.key)
    expect(left).toEqual(expect.arrayContaining([...others, 'nested-too/20200101T000000Z.rdb']))
    expect((await newestDump(store(), 'nested/', signal))?.site).toBe('dc-a')
  })
})

describe('a restore into Redis with append-only persistence', () => {
  async function dumped(keys: number): Promise<{ path: string; url: string }> {
    const redis = await serve('source')
    await redis.cli('MSET', ...Array.from({ length: keys }, (_, n) => [`key-${n}`, String(n)]).flat())
    const work = await dumpOf(redis)
    await redis.stop()
    await upload(work, `${pods().id}/`)
    const found = await newestDump(store(), `${pods().id}/`, signal)
    return { path: join(work, 'dump.rdb'), url: await store().presignedGet(`${found?.name}.rdb`, 60_000) }
  }
  const start = async (env: { REQUEST: string; DATA: string }): Promise<Ended[]> => [
    await script(FETCH, env),
    await script(LOAD, env),
  ]

  test('brings every key back, keeps them over a restart, and keeps aside what was there before', async () => {
    const dump = await dumped(12)
    const before = await serve('target')
    await before.cli('SET', 'of-before', '1')
    await before.stop()
    const env = await request('target', 'dump-1', dump.url, sha256(dump.path))
    expect((await start(env)).map((ended) => ended.code)).toEqual([0, 0])
    const after = await serve('target')
    expect(await after.cli('DBSIZE')).toBe('12')
    expect(await after.cli('GET', 'key-7')).toBe('7')
    await after.cli('SET', 'written-later', '1')
    await after.stop()
    expect(await (await serve('target')).cli('DBSIZE')).toBe('13')
    expect(existsSync(join(env.DATA, 'before-restore'))).toBe(true)
    expect(readFileSync(join(env.DATA, '.standby-restored'), 'utf8')).toBe('dump-1')
  })

  test('brings every logical database and the functions, and the server tells them one by one', async () => {
    const redis = await serve('source')
    await redis.cli('FUNCTION', 'LOAD', FUNCTION)
    await redis.cli('EVAL', FILL, '0', '1', '20')
    await redis.cli('EVAL', FILL, '0', '7', '3')
    const work = await dumpOf(redis)
    await redis.stop()
    await upload(work, `${pods().id}/`)
    const found = await newestDump(store(), `${pods().id}/`, signal)
    if (found === null) throw new Error('no dump')
    const env = await request('target', 'dump-1', await store().presignedGet(`${found.name}.rdb`, 60_000), found.sha256)
    await start(env)
    const target = await serve('target')
    expect(await facts(target)).toMatchObject({
      keys: 23,
      expired: 0,
      databases: { 1: 20, 7: 3 },
      libraries: 1,
      restored: 'dump-1',
    })
    expect(missingOf(found, await facts(target))).toEqual([])
    await target.cli('-n', '7', 'FLUSHDB')
    expect(missingOf(found, await facts(target))).toContain('database 7 has 0 of 3 keys, of which 0 could expire')
  })

  test('is done once: a later restart of the pod loads nothing again and needs no object store', async () => {
    const dump = await dumped(2)
    const env = await request('target', 'dump-1', dump.url, sha256(dump.path))
    await start(env)
    const redis = await serve('target')
    await redis.cli('SET', 'written-later', '1')
    await redis.stop()
    await request('target', 'dump-1', 'http://127.0.0.1:1/gone', sha256(dump.path))
    expect((await start(env)).map((ended) => ended.code)).toEqual([0, 0])
    expect(await (await serve('target')).cli('DBSIZE')).toBe('3')
  })

  test('starts with what is there when nothing is asked for', async () => {
    const redis = await serve('target')
    await redis.cli('SET', 'mine', '1')
    await redis.stop()
    const env = { REQUEST: join(folder(), 'nothing'), DATA: redis.data }
    expect((await start(env)).map((ended) => ended.code)).toEqual([0, 0])
    expect(await (await serve('target')).cli('DBSIZE')).toBe('1')
  })

  test('begins empty when fresh is asked for, and still keeps aside what was there', async () => {
    const redis = await serve('target')
    await redis.cli('SET', 'old', '1')
    await redis.stop()
    const env = await request('target', 'fresh-1', '', '')
    expect((await start(env)).map((ended) => ended.code)).toEqual([0, 0])
    expect(await (await serve('target')).cli('DBSIZE')).toBe('0')
    expect(existsSync(join(env.DATA, 'before-restore'))).toBe(true)
  })

  test('refuses a dump that was cut in half, and leaves what was there untouched', async () => {
    const dump = await dumped(500)
    const redis = await serve('target')
    await redis.cli('SET', 'old', '1')
    await redis.stop()
    const env = await request('target', 'dump-1', dump.url, sha256(dump.path))
    truncateSync(dump.path, Math.floor(readFileSync(dump.path).length / 2))
    writeFileSync(join(env.DATA, '.standby-dump.rdb'), readFileSync(dump.path))
    const byChecksum = await script(LOAD, env)
    expect(byChecksum.code).not.toBe(0)
    expect(byChecksum.stderr).toContain('the dump has the checksum')
    // Even with a description that was made of the cut file, redis-check-rdb finds it.
    await request('target', 'dump-1', dump.url, sha256(dump.path))
    const byContent = await script(LOAD, env)
    expect(byContent.code).not.toBe(0)
    expect(byContent.stderr).toContain('redis-check-rdb')
    expect(await (await serve('target')).cli('DBSIZE')).toBe('1')
  })

  test('begins empty, and says why, where a failover prefers that to no start: the dump is cut, or its store is lost', async () => {
    const dump = await dumped(50)
    const old = await serve('target')
    await old.cli('SET', 'old', '1')
    await old.stop()
    const cut = await request('target', 'run-1', 'http://unused/', 'b'.repeat(64))
    writeFileSync(join(cut.REQUEST, 'otherwise'), 'empty')
    writeFileSync(join(cut.DATA, '.standby-dump.rdb'), readFileSync(dump.path))
    expect(await script(LOAD, cut)).toMatchObject({ code: 0 })
    expect(readFileSync(join(cut.DATA, '.standby-fallback'), 'utf8')).toContain('the dump has the checksum')
    expect(readFileSync(join(cut.DATA, '.standby-ready'), 'utf8')).toBe('run-1')
    const gone = await request('target', 'run-2', 'http://127.0.0.1:1/gone', sha256(dump.path))
    expect((await start(gone)).map((ended) => ended.code)).toEqual([0, 0])
    expect(readFileSync(join(gone.DATA, '.standby-fallback'), 'utf8')).toContain(
      'could not be fetched (curl ended with 7)',
    )
    const empty = await serve('target')
    expect(await empty.cli('DBSIZE')).toBe('0')
    await empty.stop()
    // The next request is judged for itself.
    const good = await request('target', 'run-3', dump.url, sha256(dump.path))
    expect((await start(good)).map((ended) => ended.code)).toEqual([0, 0])
    expect(existsSync(join(good.DATA, '.standby-fallback'))).toBe(false)
    expect(await (await serve('target')).cli('DBSIZE')).toBe('50')
  })

  test('does not begin empty where that is not allowed', async () => {
    const env = await request('target', 'run-1', 'http://127.0.0.1:1/gone', 'b'.repeat(64))
    const fetched = await script(FETCH, { ...env, RETRY: '0' })
    expect(fetched.code).toBe(7)
    expect(existsSync(join(env.DATA, '.standby-fallback'))).toBe(false)
  })

  test('counts keys that expire between dump and load as arrived: what is there and what expired make up the dump', async () => {
    const redis = await serve('source')
    await redis.cli('MSET', 'a', '1', 'b', '2')
    for (let n = 0; n < 5; n++) await redis.cli('SET', `short-${n}`, 'x', 'PX', '4000')
    const work = await dumpOf(redis)
    await redis.stop()
    await upload(work, 'expiring/')
    const found = await newestDump(store(), 'expiring/', signal)
    expect(found).toMatchObject({ keys: 7, expired: 0 })
    await new Promise((resolve) => setTimeout(resolve, 4_200))
    const env = await request(
      'target',
      'dump-1',
      await store().presignedGet(`${found?.name}.rdb`, 60_000),
      found?.sha256 ?? '',
    )
    await start(env)
    const after = await serve('target')
    await new Promise((resolve) => setTimeout(resolve, 600))
    const info = await after.cli('INFO')
    const figure = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
    expect(Number(await after.cli('DBSIZE'))).toBe(2)
    expect(2 + figure('expired_keys') + figure('rdb_last_load_keys_expired')).toBe(7)
  })
})

describe('the server', () => {
  test('runs with append-only persistence, without eviction, and rejects clients without the password', async () => {
    const redis = await serve('a')
    expect(await redis.cli('CONFIG', 'GET', 'maxmemory-policy')).toContain('noeviction')
    expect(await redis.cli('CONFIG', 'GET', 'appendonly')).toContain('yes')
    expect(await redis.cli('CONFIG', 'GET', 'appendfsync')).toContain('everysec')
    expect((await run('redis-cli', ['-p', String(redis.port), 'PING'])).stdout).toContain('NOAUTH')
  })
})
