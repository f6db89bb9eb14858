import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { DUMP, FETCH } from '../../../../src/drivers/redis/scripts.ts'
import { FETCH_IN_PLACE } from '../../../../src/drivers/redis/scripts-in-place.ts'
import { newestDump } from '../../../../src/systems/redis/catalogue.ts'
import { podsPerTest, script } from '../../../support/redis-pods.ts'

const pods = podsPerTest({ tls: true })
const authoritiesOf = (): string => pods().storing('').AUTHORITIES ?? ''

/** A dump that is stored, and what asks for it. */
async function stored(): Promise<{ readonly id: string; readonly url: string; readonly sha256: string }> {
  const prefix = `${pods().id}/`
  const redis = await pods().serve('source')
  await redis.cli('SET', 'a', '1')
  const work = pods().folder('source', 'job')
  expect((await script(DUMP, { ...redis.env, WORK: work })).code).toBe(0)
  const refused = await pods().upload(work, prefix, { AUTHORITIES: '' })
  expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining('certificate')])
  expect((await pods().upload(work, prefix)).code).toBe(0)
  const dump = await newestDump(pods().store(), prefix, new AbortController().signal)
  return {
    id: '1',
    url: await pods().store().presignedGet(`${dump?.name}.rdb`, 60_000),
    sha256: dump?.sha256 ?? '',
  }
}

describe('a store whose certificate only its own authority vouches for', () => {
  test('takes a dump, and gives it to a starting pod that trusts the authority, and to no other', async () => {
    const asked = await stored()
    const request = pods().folder('target', 'request')
    const env = { REQUEST: request, DATA: pods().folder('target', 'data') }
    for (const [key, value] of Object.entries(asked)) writeFileSync(join(request, key), value)
    expect((await script(FETCH, { ...env, RETRY: '0' })).code).not.toBe(0)
    copyFileSync(authoritiesOf(), join(request, 'authorities'))
    expect((await script(FETCH, env)).code).toBe(0)
    expect(existsSync(join(env.DATA, '.standby-dump.rdb'))).toBe(true)
  })

  test('gives it to a running pod as well, whose own store may have another authority', async () => {
    const asked = await stored()
    const redis = await pods().serve('target')
    const lines = (authorities: string): string =>
      `${['', asked.id, asked.url, asked.sha256, '', authorities].join('\n')}\n`
    const inPlace = (authorities: string) =>
      script(FETCH_IN_PLACE, { ...redis.env, AUTHORITIES: '/nowhere' }, lines(authorities))
    expect((await inPlace('')).code).not.toBe(0)
    expect((await inPlace(readFileSync(authoritiesOf()).toString('base64'))).code).toBe(0)
    expect(existsSync(join(redis.data, '.standby-dump.rdb'))).toBe(true)
  })
})
