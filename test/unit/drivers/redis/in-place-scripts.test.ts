import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import {
  DUMP_IN_PLACE,
  FETCH_IN_PLACE,
  LOAD_IN_PLACE,
  STORE_IN_PLACE,
  STORED_IN_PLACE,
  TOO_LATE,
} from '../../../../src/drivers/redis/scripts-in-place.ts'
import { type CataloguedDump, newestDump } from '../../../../src/systems/redis/catalogue.ts'
import { type Ended, podsPerTest, type RedisPod, script } from '../../../support/redis-pods.ts'

const signal = new AbortController().signal
const pods = podsPerTest()

const prefix = (): string => `${pods().id}/`
const taken = (redis: RedisPod, key: string): Promise<Ended> => script(DUMP_IN_PLACE, redis.env, '', key)
const stored = (redis: RedisPod, key: string): Promise<Ended> =>
  script(STORE_IN_PLACE, { ...redis.env, ...pods().storing(prefix()) }, '', key)
const newest = (): Promise<CataloguedDump | null> => newestDump(pods().store(), prefix(), signal)
const keyOf = (n: number): string => `key-${n}`

async function dumped(keys: number): Promise<{ id: string; url: string; sha256: string }> {
  const redis = await pods().serve('source')
  if (keys > 0) await redis.cli('MSET', ...Array.from({ length: keys }, (_, n) => [keyOf(n), String(n)]).flat())
  expect([(await taken(redis, '1')).code, (await stored(redis, '1')).code]).toEqual([0, 0])
  await redis.stop()
  const dump = await newest()
  return {
    id: dump?.name ?? '',
    url: await pods().store().presignedGet(`${dump?.name}.rdb`, 60_000),
    sha256: dump?.sha256 ?? '',
  }
}
interface Asked {
  readonly id: string
  readonly url: string
  readonly sha256: string
  readonly otherwise?: string
}
const lines = (seen: string, { id, url, sha256, otherwise = '' }: Asked): string =>
  `${[seen, id, url, sha256, otherwise].join('\n')}\n`
const fetched = (redis: RedisPod, seen: string, asked: Asked): Promise<Ended> =>
  script(FETCH_IN_PLACE, redis.env, lines(seen, asked))
const loaded = (redis: RedisPod, seen: string, asked: Asked): Promise<Ended> =>
  script(LOAD_IN_PLACE, redis.env, lines(seen, asked))
/** A load without the command that ends Redis, and without what follows it. */
const madeReady = (redis: RedisPod, asked: Asked): Promise<Ended> =>
  script(LOAD_IN_PLACE.slice(0, LOAD_IN_PLACE.indexOf('redis-cli -p')), redis.env, lines('', asked))
const restored = (redis: RedisPod): string => {
  const path = join(redis.data, '.standby-restored')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

describe('a dump in the running pod', () => {
  test('is stored once, however often it is asked for, and says which it is', async () => {
    const redis = await pods().serve('a')
    await redis.cli('MSET', 'a', '1', 'b', '2')
    expect((await script(STORED_IN_PLACE, redis.env, '', '1')).stdout).toBe('')
    const both = await Promise.all([taken(redis, '1'), taken(redis, '1')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    const twice = await Promise.all([stored(redis, '1'), stored(redis, '1')])
    expect(twice.map(({ code }) => code)).toEqual([0, 0])
    const id = (await script(STORED_IN_PLACE, redis.env, '', '1')).stdout
    expect(await newest()).toMatchObject({ name: `${prefix()}${id}`, keys: 2, site: 'dc-a' })
    expect(await pods().store().list(prefix())).toHaveLength(2)
  })

  test('of a later run is another one, and none of the files with data is left in the pod', async () => {
    const redis = await pods().serve('a')
    await taken(redis, '1')
    await redis.cli('SET', 'later', '1')
    // The name of a dump is its second.
    await sleep(1_100)
    await taken(redis, '2')
    await stored(redis, '2')
    expect(await newest()).toMatchObject({ keys: 1 })
    for (const key of ['1', '2']) expect(existsSync(join(redis.env.WORK ?? '', `dump-${key}`, 'dump.rdb'))).toBe(false)
  })
})

test('a dump that could fill the disk of its node is not taken in the pod that serves users', async () => {
  const redis = await pods().serve('a')
  expect(await script(DUMP_IN_PLACE, { ...redis.env, MOST: '1000' }, '', '1')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('too many'),
  })
  expect(existsSync(join(redis.env.WORK ?? '', 'dump-1', 'dump.rdb'))).toBe(false)
})

describe('a restore in the running pod', () => {
  test('brings every key, in the same container, and keeps aside what was there before', async () => {
    const dump = await dumped(12)
    const redis = await pods().serve('target')
    await redis.cli('SET', 'of-before', '1')
    const runId = await redis.cli('INFO', 'server')
    expect(await fetched(redis, '', dump)).toMatchObject({ code: 0 })
    expect(await redis.cli('DBSIZE')).toBe('1')
    expect(await loaded(redis, '', dump)).toMatchObject({ code: 0, stderr: '' })
    expect(await redis.cli('DBSIZE')).toBe('12')
    expect(await redis.cli('INFO', 'server')).not.toBe(runId)
    expect(restored(redis)).toBe(dump.id)
    await redis.cli('SET', 'written-later', '1')
    await redis.stop()
    const again = await pods().serve('target')
    expect(await again.cli('DBSIZE')).toBe('13')
    expect(existsSync(join(again.data, 'before-restore', 'appendonly.aof.manifest'))).toBe(true)
  })

  test('asked for twice at once loads once: what users wrote in between stays', async () => {
    const dump = await dumped(3)
    const redis = await pods().serve('target')
    await fetched(redis, '', dump)
    const both = await Promise.all([loaded(redis, '', dump), loaded(redis, '', dump)])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    await redis.cli('SET', 'of-a-user', '1')
    expect((await fetched(redis, '', dump)).code).toBe(0)
    expect((await loaded(redis, '', dump)).code).toBe(0)
    expect(await redis.cli('DBSIZE')).toBe('4')
  })

  test('that comes too late, after another dump was loaded, changes nothing', async () => {
    const dump = await dumped(3)
    const redis = await pods().serve('target')
    await fetched(redis, '', dump)
    await loaded(redis, '', dump)
    await redis.cli('SET', 'of-a-user', '1')
    const late = { ...dump, id: 'a-late-one' }
    for (const ended of [await fetched(redis, '', late), await loaded(redis, '', late)])
      expect(ended).toMatchObject({ code: TOO_LATE, stderr: expect.stringContaining(dump.id) })
    expect(await redis.cli('DBSIZE')).toBe('4')
    expect(restored(redis)).toBe(dump.id)
  })

  test('of a dump that is not whole leaves the server as it is, and running', async () => {
    const dump = await dumped(3)
    const redis = await pods().serve('target')
    await redis.cli('SET', 'mine', '1')
    await fetched(redis, '', dump)
    expect(await loaded(redis, '', { ...dump, sha256: 'b'.repeat(64) })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('checksum'),
    })
    expect(await redis.cli('DBSIZE')).toBe('1')
    expect(restored(redis)).toBe('')
  })

  test('begins empty where that is asked for, and where a failover prefers it', async () => {
    const redis = await pods().serve('target')
    await redis.cli('SET', 'stale', '1')
    const fresh = { id: 'fresh-1', url: '', sha256: '' }
    expect([(await fetched(redis, '', fresh)).code, (await loaded(redis, '', fresh)).code]).toEqual([0, 0])
    expect(await redis.cli('DBSIZE')).toBe('0')
    await redis.cli('SET', 'stale', '1')
    const gone = { id: 'run-1', url: 'http://127.0.0.1:1/gone', sha256: 'b'.repeat(64), otherwise: 'empty' }
    expect([(await fetched(redis, 'fresh-1', gone)).code, (await loaded(redis, 'fresh-1', gone)).code]).toEqual([0, 0])
    expect(await redis.cli('DBSIZE')).toBe('0')
    expect(readFileSync(join(redis.data, '.standby-fallback'), 'utf8')).toContain('could not be fetched')
  })

  test('is taken up by the next start, when the container ended in the middle of it', async () => {
    const dump = await dumped(5)
    const redis = await pods().serve('target')
    await redis.cli('SET', 'stale', '1')
    await fetched(redis, '', dump)
    await madeReady(redis, dump)
    expect(await redis.cli('DBSIZE')).toBe('1')
    await redis.stop()
    const again = await pods().serve('target')
    expect(await again.cli('DBSIZE')).toBe('5')
    expect(restored(again)).toBe(dump.id)
  })
})

describe('the server ends', () => {
  test.each([
    [
      'between the two halves of the swap, what was there being aside already',
      ['mv', 'appendonlydir', 'before-restore'],
    ],
    ['after the swap, before it is written down', ['mv', '.standby-new', 'appendonlydir']],
  ])('%s, and starts with the dump all the same', async (_, [, from = '', to = '']) => {
    const dump = await dumped(5)
    const redis = await pods().serve('target')
    await redis.cli('SET', 'stale', '1')
    await fetched(redis, '', dump)
    await madeReady(redis, dump)
    await redis.stop()
    const steps = ['rm -rf before-restore; mv appendonlydir before-restore', 'mv .standby-new appendonlydir']
    const done = steps.slice(0, steps.findIndex((step) => step.endsWith(`${from} ${to}`)) + 1)
    expect(done.length).toBeGreaterThan(0)
    await script(`cd "$DATA"; ${done.join('; ')}`, redis.env)
    const again = await pods().serve('target')
    expect(await again.cli('DBSIZE')).toBe('5')
    expect(restored(again)).toBe(dump.id)
  })

  test('with its pod: no dump that is ready starts it again', async () => {
    const redis = await pods().serve('target')
    writeFileSync(join(redis.data, '.standby-ready'), 'some dump')
    const began = Date.now()
    await redis.stop()
    expect(Date.now() - began).toBeLessThan(5_000)
    await expect(redis.cli('PING')).resolves.not.toBe('PONG')
    expect(restored(redis)).toBe('')
  })
})
