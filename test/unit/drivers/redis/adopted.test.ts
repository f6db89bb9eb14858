import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { podsPerTest, type RedisPod } from '../../../support/redis-pods.ts'

const pods = podsPerTest()

/**
 * The volume of a Redis that others made, with snapshots alone, which is the default of Redis.
 */
async function snapshotOnly(keys: number): Promise<RedisPod> {
  const redis = await pods().serve('a')
  await redis.cli('EVAL', `for n = 1, ${keys} do redis.call('SET', 'key-' .. n, n) end`, '0')
  await redis.cli('-n', '3', 'SET', 'of-three', '1')
  await redis.cli('SAVE')
  await redis.stop()
  rmSync(join(redis.data, 'appendonlydir'), { recursive: true })
  return redis
}

test('a volume with a snapshot and no append-only file is served with every key of every database, and stays so', async () => {
  await snapshotOnly(25)
  const redis = await pods().serve('a')
  expect(await redis.cli('DBSIZE')).toBe('25')
  expect(await redis.cli('-n', '3', 'DBSIZE')).toBe('1')
  await redis.cli('SET', 'written-later', '1')
  await redis.stop()
  expect(existsSync(join(redis.data, 'dump.rdb'))).toBe(true)
  expect(await (await pods().serve('a')).cli('DBSIZE')).toBe('26')
})

test('an append-only file wins over a snapshot beside it, which may be old', async () => {
  const redis = await pods().serve('a')
  await redis.cli('SET', 'one', '1')
  await redis.cli('SAVE')
  await redis.cli('SET', 'two', '2')
  await redis.stop()
  expect(await (await pods().serve('a')).cli('DBSIZE')).toBe('2')
})
