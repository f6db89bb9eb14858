import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { serverTime } from '../../../../src/clients/server-time.ts'
import { keepEvidence, newestRecords, readChain } from '../../../../src/evidence/keep-evidence.ts'
import { readActive } from '../../../../src/witness/active.ts'
import type { ConditionalStore } from '../../../../src/witness/conditional-store.ts'
import { openJournal } from '../../../../src/witness/journal.ts'
import { conditionalStore } from '../../../../src/witness/s3/store.ts'
import { readWitness } from '../../../../src/witness/view.ts'
import { exampleRecords } from '../../../support/example-evidence.ts'
import { s3Error, startVendorStore, type VendorAnswer, type VendorStore } from '../../../support/vendor-store.ts'

jest.setTimeout(60_000)

const ACTIVE =
  '{"schemaVersion":1,"stack":"toy","epoch":3,"activeSite":"dc-a","since":"2026-11-24T20:00:00Z","run":"r"}'
/** More than twice the largest object that is read. Far more would take a busy machine longer than a request may. */
const HUGE = 20_000_000
let vendor: VendorStore
let objects: ObjectStoreClient
let witness: ConditionalStore
beforeAll(async () => {
  vendor = await startVendorStore()
})
beforeEach(() => {
  vendor.says = () => null
  objects = vendor.open()
  witness = conditionalStore(objects, new AbortController().signal, { stack: 'toy' })
})
afterAll(async () => {
  await vendor[Symbol.asyncDispose]()
})
const saysOf = (key: string, answer: VendorAnswer): void => {
  vendor.says = ({ method, path }) => (method === 'GET' && path.includes(key) ? answer : null)
}
const listOf = (...keys: string[]): VendorAnswer => {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')
  return { status: 200, body: `<ListBucketResult><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>` }
}

describe('an object of the witness that cannot be read is damaged, and its store is not silent', () => {
  test.each([
    ['of 20 MB', `${ACTIVE.slice(0, -1)},"x":"${'a'.repeat(HUGE)}"}`, 'is larger than 8 MiB'],
    ['that is compressed, and does not say so', gzipSync(ACTIVE), 'is no JSON'],
    ['in UTF-16', Buffer.from(ACTIVE, 'utf16le'), 'is no JSON'],
    ['that is cut off', ACTIVE.slice(0, 40), 'is no JSON'],
    ['that is empty', '', 'is no JSON'],
    ['with two epochs', ACTIVE.replace('"epoch":3', '"epoch":3,"epoch":9'), 'names "epoch" twice in one mapping'],
    [
      'with a number that is none',
      ACTIVE.replace('"run"', '"x":1e400,"run"'),
      'holds the number Infinity, which is none',
    ],
  ])('one %s', async (_, body, what) => {
    await objects.put('active.json', body)
    expect(await readWitness(witness)).toMatchObject({ kind: 'damaged', damage: { key: 'active.json', what } })
    await expect(readActive(witness)).rejects.toMatchObject({ code: 'witness-damaged', retry: 'never' })
  })

  test('one that says that it is compressed, and is not', async () => {
    saysOf('active.json', { status: 200, headers: { etag: '"1"', 'content-encoding': 'gzip' }, body: ACTIVE })
    expect(await readWitness(witness)).toMatchObject({
      kind: 'damaged',
      damage: { what: expect.stringContaining('Content-Encoding') },
    })
  })

  test('a record of the evidence of 20 MB teaches nothing, and the next record is appended after it', async () => {
    const [{ body } = { body: undefined }] = exampleRecords()
    if (body === undefined) throw new Error('no example')
    saysOf('list-type', listOf())
    await keepEvidence(witness, body)
    saysOf('list-type', listOf('evidence/00000001.json', 'evidence/00000001.sha256', 'evidence/00000002.json'))
    await objects.put('evidence/00000002.json', 'x'.repeat(HUGE))
    expect(await keepEvidence(witness, body)).toMatchObject({ record: 'evidence/00000003.json' })
    saysOf('list-type', listOf('evidence/00000001.json', 'evidence/00000002.json', 'evidence/00000003.json'))
    const anyStack = conditionalStore(objects, new AbortController().signal)
    expect((await newestRecords(anyStack, 3)).map(({ kind }) => kind)).toEqual(['sound', 'damaged', 'sound'])
    expect((await readChain(witness)).get('00000002.json')).toBe('')
  })
})

describe('what is not said to be absent', () => {
  test.each(['NoSuchUpload', 'NoSuchVersion', 'NoSuchTenant', 'NoSuchBucket'])(
    'is not taken for absent: 404 %s',
    async (code) => {
      saysOf('active.json', s3Error(404, code))
      expect(await readWitness(witness)).toMatchObject({ kind: 'silent' })
      saysOf('active.json', s3Error(404, 'NoSuchKey'))
      expect(await readWitness(witness)).toMatchObject({ kind: 'answering', active: null })
    },
  )

  test.each([
    ['does not say where it goes on', ''],
    ['goes on where it began', '<NextContinuationToken>again</NextContinuationToken>'],
  ])('a list that %s is no shorter list', async (_, token) => {
    const body = `<ListBucketResult><IsTruncated>true</IsTruncated>${token}<Contents><Key>runs/r/journal/000001.json</Key></Contents></ListBucketResult>`
    saysOf('list-type', { status: 200, body })
    await expect(openJournal(witness, 'r')).rejects.toMatchObject({ code: 'object-store-not-s3' })
  })

  test('the empty object that a console leaves for a folder is no entry of a journal', async () => {
    const entry = { kind: 'intent', at: '2026-11-24T20:00:00Z', step: 'database.demote@dc-a' }
    await witness.create('runs/r/journal/000001.json', { schemaVersion: 1, entry })
    saysOf('list-type', listOf('runs/r/journal/', 'runs/r/journal/000001.json'))
    expect((await openJournal(witness, 'r')).entries).toHaveLength(1)
  })
})

describe('the time of the store', () => {
  const YESTERDAY = new Date(Date.now() - 86_400_000).toUTCString()
  test.each<[string, VendorAnswer]>([
    ['a proxy that cannot reach it', { status: 502, headers: { date: YESTERDAY } }],
    ['a proxy that wants a login', { status: 407, headers: { date: YESTERDAY } }],
    ['a portal that leads elsewhere', { status: 302, headers: { date: YESTERDAY, location: 'http://portal.example' } }],
    [
      'a page of a firewall',
      { status: 403, headers: { date: YESTERDAY, 'content-type': 'text/html' }, body: '<html></html>' },
    ],
    ['a cache', { status: 200, headers: { date: YESTERDAY, age: '86400', etag: '"1"' }, body: ACTIVE }],
  ])('is not what %s says', async (_, answer) => {
    const time = serverTime()
    const store = vendor.open({ time })
    await store.put('active.json', ACTIVE)
    await store.get('active.json')
    const before = time.now()?.getTime() ?? Number.NaN
    saysOf('active.json', answer)
    await store.get('active.json').catch(() => undefined)
    expect(Math.abs((time.now()?.getTime() ?? Number.NaN) - before)).toBeLessThan(60_000)
  })

  test('is what a refusal of its own says', async () => {
    const time = serverTime()
    saysOf('active.json', {
      ...s3Error(403, 'AccessDenied'),
      headers: { date: YESTERDAY, 'content-type': 'application/xml' },
    })
    await vendor
      .open({ time })
      .get('active.json')
      .catch(() => undefined)
    expect(Math.abs((time.now()?.getTime() ?? Number.NaN) - Date.parse(YESTERDAY))).toBeLessThan(60_000)
  })
})
