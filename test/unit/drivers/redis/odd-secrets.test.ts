import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, jest, test } from '@jest/globals'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { UPLOAD } from '../../../../src/drivers/redis/scripts.ts'
import { assertUsablePassword, passwordProblem } from '../../../../src/drivers/redis/usable-password.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import { theCache } from '../../../support/redis-cache.ts'
import { script } from '../../../support/redis-pods.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

jest.setTimeout(60_000)

test.each(['qu"ote', 'back\\slash', 'do$llar `and` $(more)', 'b lank', "apo'strophe", '\\n\\t"\\'])(
  'a dump is stored with the secret %j of the object store, which our own client takes too',
  async (secret) => {
    const store = await startObjectStore({ secret })
    const work = temporaryFolder()
    for (const [name, content] of Object.entries({ id: '20261129T120000Z', 'dump.rdb': 'x', 'dump.json': '{}' }))
      writeFileSync(join(work, name), content)
    const env = {
      WORK: work,
      LAST_WORDS: join(work, 'words'),
      ACCESS_KEY_ID: 'root',
      SECRET_ACCESS_KEY: secret,
      REGION: 'us-east-1',
      BUCKET_URL: `${store.endpoint}/bucket`,
      PREFIX: 'redis/',
      RETENTION_SECONDS: '604800',
    }
    const ended = await script(UPLOAD, env)
    const listed = await openObjectStore(store.access()).list('redis/')
    await store.stop()
    expect(ended).toMatchObject({ code: 0 })
    expect(listed.map(({ key }) => key)).toEqual(['redis/20261129T120000Z.json', 'redis/20261129T120000Z.rdb'])
  },
)

describe('a password of Redis', () => {
  test.each(['', 'secret\n', 'secret\r\n', 'sec\u0000ret', 'two\nlines'])(
    '%j is refused, and never printed',
    (password) => {
      expect(passwordProblem(password)).toEqual(expect.any(String))
      expect(passwordProblem(password)).not.toContain('secret')
    },
  )

  test.each(['a', ' ', 'pa$$ "quoted" \\ back', 'ünicode'])('%j can be used', (password) =>
    expect(passwordProblem(password)).toBeNull(),
  )

  test('that cannot be used is refused before anything is declared, with its place and the way out', async () => {
    const data = { password: Buffer.from('secret\n').toString('base64') }
    const context = { platform: () => ({ get: async () => ({ data }) }) } as unknown as DriverContext
    await expect(
      assertUsablePassword(theCache(), 'dc-a' as SiteName, context, AbortSignal.timeout(1_000)),
    ).rejects.toMatchObject({
      code: 'cache-password-unusable',
      where: 'dc-a infisical/Secret/redis password',
      next: expect.stringContaining('--from-literal=password='),
    })
  })
})
