import { createHash } from 'node:crypto'
import { describe, expect, jest, test } from '@jest/globals'
import { asStandbyError, type StandbyError } from '../../../src/errors/standby-error.ts'
import { s3Error, startVendorStore, type VendorAnswer } from '../../support/vendor-store.ts'

jest.setTimeout(30_000)

const page = (status: number, headers: Readonly<Record<string, string>> = {}): VendorAnswer => ({
  status,
  headers: { 'content-type': 'text/html', ...headers },
  body: '<!DOCTYPE html><html><body>Sign in</body></html>',
})
const failed = (call: Promise<unknown>): Promise<StandbyError> =>
  call.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => asStandbyError(error),
  )
/** What a conditional write says that meets this answer each time. */
async function writeMeets(answer: VendorAnswer): Promise<StandbyError> {
  await using vendor = await startVendorStore()
  vendor.says = () => answer
  return await failed(vendor.open().put('lock.json', '{}', { condition: { ifAbsent: true }, deadline: 2_000 }))
}

describe('a conditional write that is refused names its own cause and next step', () => {
  test.each<[string, VendorAnswer, object]>([
    [
      '501, S3 code',
      s3Error(501, 'NotImplemented', '<Header>If-None-Match</Header>'),
      { code: 'object-store-no-preconditions', retry: 'never' },
    ],
    ['501, no body', { status: 501 }, { code: 'object-store-no-preconditions' }],
    [
      '409 of another writer',
      s3Error(409, 'ConditionalRequestConflict'),
      { code: 'object-store-busy', retry: 'transient' },
    ],
    [
      '409 of a bucket that is changed',
      s3Error(409, 'OperationAborted'),
      { code: 'object-store-busy', retry: 'transient' },
    ],
    ['429', s3Error(429, 'TooManyRequests'), { code: 'object-store-throttled', retry: 'transient' }],
    [
      '503 with a long Retry-After',
      s3Error(503, 'SlowDown', '', { 'retry-after': '7' }),
      { code: 'object-store-throttled', retry: 'transient', retryAfter: 7_000 },
    ],
    [
      '503 of a store that is down',
      s3Error(503, 'ServiceUnavailable'),
      { code: 'object-store-unreachable', retry: 'transient' },
    ],
    [
      '301 with the region in a header',
      s3Error(301, 'PermanentRedirect', '<Endpoint>bucket.s3.eu-west-1.amazonaws.com</Endpoint>', {
        'x-amz-bucket-region': 'eu-west-1',
      }),
      {
        code: 'object-store-elsewhere',
        mustAct: 'input',
        next: 'Declare `region: eu-west-1` and `endpoint: http://s3.eu-west-1.amazonaws.com`.',
      },
    ],
    [
      '400 that names the region',
      s3Error(400, 'AuthorizationHeaderMalformed', '<Region>garage</Region>'),
      { code: 'object-store-elsewhere', next: expect.stringContaining('`region: garage`') },
    ],
    [
      '301 of which nothing can be believed',
      s3Error(301, 'PermanentRedirect', '<Endpoint>a b`c</Endpoint>', { 'x-amz-bucket-region': 'not a region!' }),
      { code: 'object-store-elsewhere', next: expect.stringContaining('does not say') },
    ],
    [
      '301 of a proxy to HTTPS',
      page(301, { location: 'https://s3.example.com/bucket/lock.json' }),
      { code: 'object-store-elsewhere', next: expect.stringContaining('`endpoint: https://s3.example.com`') },
    ],
    [
      '302 to a login page',
      page(302, { location: 'https://login.example.com/' }),
      { code: 'object-store-not-s3', mustAct: 'input' },
    ],
    ['200 of a console', page(200), { code: 'object-store-not-s3', mustAct: 'input' }],
    ['403 of a firewall', page(403), { code: 'object-store-not-s3' }],
    ['405 of a static server', page(405), { code: 'object-store-not-s3' }],
    ['501 of a static server', page(501), { code: 'object-store-not-s3' }],
    ['200 with nothing', { status: 200 }, { code: 'object-store-not-s3' }],
    ['404 with nothing', { status: 404 }, { code: 'object-store-not-s3' }],
    ['502 of a proxy before a store that is down', page(502), { code: 'object-store-unreachable', retry: 'transient' }],
    [
      '403 of a lock rule',
      s3Error(403, 'ObjectLockedByBucketPolicy'),
      { code: 'object-store-locked', next: expect.stringContaining('lock rules') },
    ],
    ['409 of Object Lock', s3Error(409, 'InvalidBucketState'), { code: 'object-store-locked', retry: 'never' }],
    [
      '400 of a bucket with rules',
      s3Error(400, 'InvalidRequest'),
      { code: 'object-store-rules', next: expect.stringMatching(/Object Lock.*encryption/) },
    ],
    [
      '400 of a disabled key',
      s3Error(400, 'KMS.DisabledException'),
      { code: 'object-store-encryption', next: expect.stringContaining('key that is enabled') },
    ],
    ['403 of a key', s3Error(403, 'KMS.AccessDeniedException'), { code: 'object-store-encryption' }],
    [
      '403',
      s3Error(403, 'AccessDenied'),
      { code: 'object-store-denied', next: expect.stringMatching(/standby rbac.*default encryption/) },
    ],
    [
      '403 of a clock',
      s3Error(403, 'RequestTimeTooSkewed', '<ServerTime>2026-11-29T12:00:00Z</ServerTime>'),
      {
        code: 'clock-wrong',
        message: expect.stringContaining('2026-11-29T12:00:00.000Z'),
        next: expect.stringContaining('clock'),
      },
    ],
    [
      '400 of anything else',
      s3Error(400, 'InvalidArgument'),
      { code: 'object-store-refused', next: expect.any(String) },
    ],
  ])('%s', async (_, answer, expected) => {
    expect(await writeMeets(answer)).toMatchObject(expected)
  })
})

describe('a page in the place of a store', () => {
  test.each([200, 404])('(%i) is no object, no missing object and no empty folder', async (status) => {
    await using vendor = await startVendorStore()
    vendor.says = () => page(status)
    const store = vendor.open()
    const calls = [
      store.get('k'),
      store.head('k'),
      store.list(''),
      store.put('k', 'x'),
      ...(status === 404 ? [store.remove('k')] : []),
    ]
    for (const error of await Promise.all(calls.map(failed)))
      expect(error).toMatchObject({ code: 'object-store-not-s3' })
  })
})

test('a refused HEAD, which has no body, tells what the store says of the same GET', async () => {
  await using vendor = await startVendorStore()
  vendor.says = () => s3Error(400, 'AuthorizationHeaderMalformed', '<Region>garage</Region>')
  expect(await failed(vendor.open().head('k'))).toMatchObject({
    code: 'object-store-elsewhere',
    next: expect.stringContaining('garage'),
  })
})

test('a write that meets a limit or another writer is sent again, and says that it was limited', async () => {
  await using vendor = await startVendorStore()
  const answers = [s3Error(429, 'TooManyRequests'), s3Error(409, 'ConditionalRequestConflict')]
  vendor.says = () => answers.shift() ?? null
  let limits = 0
  const limited = (): void => {
    limits++
  }
  await vendor.open().put('k', 'x', { condition: { ifAbsent: true }, limited })
  expect(vendor.requests).toHaveLength(3)
  expect(limits).toBe(1)
})

test('each write carries the digest of its body, without which a bucket with Object Lock takes none', async () => {
  await using vendor = await startVendorStore()
  vendor.says = ({ method, headers, body }) =>
    method === 'PUT' && headers['content-md5'] !== createHash('md5').update(body).digest('base64')
      ? s3Error(400, 'InvalidRequest')
      : null
  expect(await vendor.open().put('k', 'größer', { condition: { ifAbsent: true } })).toMatch(/^"/)
})
