import { expect, test } from '@jest/globals'
import { retryAfterIn } from '../../../src/clients/retry-after.ts'
import { retryOfStatus, retryOfWire } from '../../../src/clients/worth-another-try.ts'

const NOW = new Date('2026-11-29T12:00:00Z')

test.each([
  ['7', null, 7_000],
  ['0', null, 0],
  ['Sun, 29 Nov 2026 12:00:30 GMT', null, 30_000],
  // The other side's clock is an hour ahead: its own date is what its answer counts from.
  ['Sun, 29 Nov 2026 13:00:30 GMT', 'Sun, 29 Nov 2026 13:00:00 GMT', 30_000],
  ['Sun, 29 Nov 2026 11:00:00 GMT', null, 0],
  ['soon', null, null],
  ['-3', null, null],
  ['', null, null],
  [undefined, null, null],
])('a Retry-After of %j, beside a date of %j, asks for %j ms', (header, date, wait) => {
  expect(retryAfterIn(header, date, NOW)).toBe(wait)
})

test.each([
  [408, 'transient'],
  [429, 'transient'],
  [500, 'transient'],
  [502, 'transient'],
  [503, 'transient'],
  [504, 'transient'],
  [529, 'transient'],
  [409, 'conflict'],
  [410, 'conflict'],
  [412, 'conflict'],
  [301, 'never'],
  [400, 'never'],
  [401, 'never'],
  [403, 'never'],
  [404, 'never'],
  [422, 'never'],
  [501, 'never'],
])('HTTP %d is worth another try: %s', (status, retry) => {
  expect(retryOfStatus(status)).toBe(retry)
})

test.each([
  [{ code: 'ECONNREFUSED' }, 'transient'],
  [{ code: 'ECONNRESET' }, 'transient'],
  [{ message: 'fetch failed', cause: { code: 'UND_ERR_SOCKET' } }, 'transient'],
  [{ code: 'EAI_AGAIN' }, 'transient'],
  [undefined, 'transient'],
  [{ code: 'CERT_HAS_EXPIRED' }, 'never'],
  [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'never'],
  [{ message: 'fetch failed', cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' } }, 'never'],
])('a connection that ends with %j is worth another try: %s', (error, retry) => {
  expect(retryOfWire(error)).toBe(retry)
})
