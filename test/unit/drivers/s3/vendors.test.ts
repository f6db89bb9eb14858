import { describe, expect, jest, test } from '@jest/globals'
import type { ConditionalStore } from '../../../../src/witness/conditional-store.ts'
import { probePreconditions } from '../../../../src/witness/probe-preconditions.ts'
import { conditionalStore, s3Preconditions } from '../../../../src/witness/s3/store.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import {
  oneWriteASecond,
  s3Error,
  startVendorStore,
  type VendorAnswer,
  type VendorRequest,
  type VendorStore,
} from '../../../support/vendor-store.ts'

jest.setTimeout(60_000)

const signal = new AbortController().signal
const witnessOn = (vendor: VendorStore, deadline = 5_000): ConditionalStore =>
  conditionalStore(vendor.open(), signal, { deadline })
const isConditional = ({ method, headers }: VendorRequest): boolean =>
  method === 'PUT' && (headers['if-match'] ?? headers['if-none-match']) !== undefined

describe('a sound store', () => {
  test('that takes one write a second to a key, as Cloudflare R2 does, is a witness, before a lock grows old', async () => {
    await using vendor = await startVendorStore()
    vendor.says = oneWriteASecond()
    const took = awakeClock()
    const store = witnessOn(vendor)
    const version = await store.create('lock.json', { epoch: 1 })
    expect(took()).toBeLessThan(12_000)
    await store.replace('lock.json', { epoch: 2 }, version)
    await expect(store.replace('lock.json', { epoch: 3 }, version)).rejects.toMatchObject({ code: 'witness-conflict' })
  })

  test('that asks for patience by Retry-After in the midst of the probe gets it', async () => {
    await using vendor = await startVendorStore()
    let puts = 0
    vendor.says = ({ method }) =>
      method === 'PUT' && ++puts === 5 ? s3Error(503, 'SlowDown', '', { 'retry-after': '3' }) : null
    await witnessOn(vendor).create('lock.json', {})
  })

  test('that tells writers of each other by 409, as AWS S3 does, is one', async () => {
    await using vendor = await startVendorStore()
    let puts = 0
    vendor.says = ({ method }) =>
      method === 'PUT' && puts++ % 3 === 0 ? s3Error(409, 'ConditionalRequestConflict') : null
    const store = witnessOn(vendor)
    const version = await store.create('lock.json', { epoch: 1 })
    await store.replace('lock.json', { epoch: 2 }, version)
  })
})

describe('a store that limits all writes', () => {
  test('is neither weak nor strong: the probe ends with what it said, and may be tried again', async () => {
    await using vendor = await startVendorStore()
    vendor.says = ({ method }) => (method === 'PUT' ? s3Error(429, 'TooManyRequests') : null)
    await expect(
      probePreconditions(vendor.open(), s3Preconditions, { deadline: 1_500, patience: 2_000 }),
    ).rejects.toMatchObject({
      code: 'object-store-throttled',
      retry: 'transient',
    })
  })

  test('for longer than the longest wait is reported at once, with the time that it names', async () => {
    await using vendor = await startVendorStore()
    vendor.says = ({ method }) =>
      method === 'PUT' ? s3Error(429, 'TooManyRequests', '', { 'retry-after': '600' }) : null
    await expect(witnessOn(vendor).create('lock.json', {})).rejects.toMatchObject({
      code: 'witness-throttled',
      retryAfter: 600_000,
    })
  })
})

describe('a weak store', () => {
  test.each<[string, VendorAnswer]>([
    ['says that it does not know the header', s3Error(501, 'NotImplemented', '<Header>If-None-Match</Header>')],
    ['answers 400 to the header, and takes the write without it', s3Error(400, 'InvalidArgument')],
    ['answers InvalidRequest to the header, and takes the write without it', s3Error(400, 'InvalidRequest')],
  ])('that %s is refused as weak, with what it said', async (_, answer) => {
    await using vendor = await startVendorStore()
    vendor.says = (request) => (isConditional(request) ? answer : null)
    await expect(witnessOn(vendor).create('lock.json', {})).rejects.toMatchObject({
      code: 'witness-weak',
      message: expect.stringMatching(/takes no write with a precondition.*As the vendor words it/),
    })
  })

  test('that knows If-None-Match alone is refused as weak', async () => {
    await using vendor = await startVendorStore()
    vendor.says = ({ headers }) => (headers['if-match'] === undefined ? null : s3Error(501, 'NotImplemented'))
    await expect(witnessOn(vendor).create('lock.json', {})).rejects.toMatchObject({
      code: 'witness-weak',
      message: expect.stringContaining('If-Match'),
    })
  })

  test('that limits some writes and lets several of one race win is found all the same', async () => {
    await using vendor = await startVendorStore()
    vendor.atomic = false
    let puts = 0
    vendor.says = ({ method }) => (method === 'PUT' && ++puts % 4 === 0 ? s3Error(429, 'TooManyRequests') : null)
    await expect(witnessOn(vendor).create('lock.json', {})).rejects.toMatchObject({
      code: 'witness-weak',
      message: expect.stringMatching(/let \d of 4 writers replace/),
    })
  })
})

describe('a bucket that takes no write at all', () => {
  test.each([
    ['object-store-rules', s3Error(400, 'InvalidRequest')],
    ['object-store-encryption', s3Error(400, 'KMS.DisabledException')],
    ['object-store-locked', s3Error(403, 'ObjectLockedByBucketPolicy')],
    ['witness-denied', s3Error(403, 'AccessDenied')],
    ['object-store-elsewhere', s3Error(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-1' })],
  ])('(%s) is not called weak: what must be changed is in the bucket, or in the stack file', async (code, answer) => {
    await using vendor = await startVendorStore()
    vendor.says = ({ method }) => (method === 'PUT' ? answer : null)
    await expect(witnessOn(vendor).create('lock.json', {})).rejects.toMatchObject({
      code,
      where: 'witness',
      next: expect.any(String),
    })
  })
})
