import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { asStandbyError } from '../../../../src/errors/standby-error.ts'
import type { ConditionalStore } from '../../../../src/witness/conditional-store.ts'
import { Unreadable } from '../../../../src/witness/damage.ts'
import { openJournal } from '../../../../src/witness/journal.ts'
import { takeLock } from '../../../../src/witness/lock.ts'
import { conditionalStore, openS3Store } from '../../../../src/witness/s3/store.ts'
import { type Fault, type FaultyProxy, startFaultyProxy } from '../../../support/faulty-proxy.ts'
import { type ObjectStoreServer, startObjectStore } from '../../../support/object-store.ts'
import { freePorts } from '../../../support/server-process.ts'

jest.setTimeout(30_000)

const DEADLINE = 1_000
let server: ObjectStoreServer
let proxy: FaultyProxy
let places = 0
beforeAll(async () => {
  server = await startObjectStore()
  proxy = await startFaultyProxy(server.endpoint)
}, 60_000)
afterEach(() => {
  proxy.faultFor = () => 'pass'
})
afterAll(async () => {
  await proxy.close()
  await server.stop()
})

const signal = new AbortController().signal
const newPlace = (): string => `place-${places++}/`
const countIn = (found: { readonly body: unknown } | null): number =>
  Number((found?.body as { readonly count?: number } | undefined)?.count ?? 0)

const directly = (place: string): ConditionalStore =>
  conditionalStore(openObjectStore(server.access(place)), signal, { deadline: DEADLINE })
const throughProxy = (place: string, deadline = DEADLINE): ConditionalStore =>
  conditionalStore(openObjectStore({ ...server.access(place), endpoint: proxy.endpoint }), signal, { deadline })
/** The next writes of this key meet these faults, one each; everything else passes. */
const faultsOnWrites = (key: string, ...faults: Fault[]): void => {
  proxy.faultFor = ({ method, path }) => (method === 'PUT' && path.endsWith(key) ? (faults.shift() ?? 'pass') : 'pass')
}

describe('a text of the witness', () => {
  const TEXT = '\uFEFF{"by": "Jörg → \\ufffd"}\r\n'

  test('is stored byte for byte, and nothing beside it: its SHA-256 is that of the object', async () => {
    const place = newPlace()
    await directly(place).createText('evidence/00000001.json', TEXT)
    expect(await directly(place).getText('evidence/00000001.json')).toBe(TEXT)
    expect((await openObjectStore(server.access(place)).list('evidence/'))[0]).toMatchObject({
      bytes: Buffer.byteLength(TEXT),
    })
    expect(await directly(place).getText('evidence/00000002.json')).toBeNull()
  })

  test('is written once; the same text again counts as written, another one is a conflict', async () => {
    const store = directly(newPlace())
    await store.createText('one.sha256', TEXT)
    await store.createText('one.sha256', TEXT)
    await expect(store.createText('one.sha256', 'another')).rejects.toMatchObject({ code: 'witness-conflict' })
    expect(await store.getText('one.sha256')).toBe(TEXT)
  })

  test('arrives once, whatever becomes of request and answer', async () => {
    const place = newPlace()
    faultsOnWrites('one.json', 'lose-answer', 'lose-request')
    await throughProxy(place).createText('one.json', TEXT)
    expect(await directly(place).getText('one.json')).toBe(TEXT)
  })
})

describe('a document of the witness', () => {
  test('is created once, read with its version, and replaced only over the version that was read', async () => {
    const store = directly(newPlace())
    expect(await store.get('active.json')).toBeNull()
    const first = await store.create('active.json', { epoch: 1 })
    await expect(store.create('active.json', { epoch: 9 })).rejects.toMatchObject({
      code: 'witness-conflict',
      where: 'witness active.json',
    })
    expect(await store.get('active.json')).toEqual({ body: { epoch: 1, writeId: expect.any(String) }, version: first })
    const second = await store.replace('active.json', { epoch: 2 }, first)
    await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({ code: 'witness-conflict' })
    expect(await store.get('active.json')).toMatchObject({ body: { epoch: 2 }, version: second })
  })

  test('that says the same as before has another version all the same: an old reader cannot replace it', async () => {
    const store = directly(newPlace())
    const first = await store.create('active.json', { epoch: 1 })
    const second = await store.replace('active.json', { epoch: 1 }, first)
    expect(second).not.toBe(first)
    await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({ code: 'witness-conflict' })
  })

  test('that a person has damaged is a value that says why, not a missing one', async () => {
    const place = newPlace()
    await openObjectStore(server.access(place)).put('lock.json', '{"holder":')
    expect(await directly(place).get('lock.json')).toMatchObject({ body: new Unreadable('is no JSON') })
  })

  test('is listed in order below its prefix', async () => {
    const store = directly(newPlace())
    const keys = ['000002', '000010', '000001'].map((n) => `runs/r/journal/${n}.json`)
    await Promise.all(keys.map((key) => store.create(key, {})))
    await store.create('runs/r/plan.json', {})
    expect(await store.list('runs/r/journal/')).toEqual([...keys].sort())
  })
})

describe('a write whose answer does not come', () => {
  const landed: readonly Fault[] = ['lose-answer', 'swallow-answer', 'busy-after']
  const lost: readonly Fault[] = ['lose-request', 'busy', 'delay']

  test.each([...landed, ...lost])('(%s) succeeds once and tells so', async (fault) => {
    const place = newPlace()
    const store = throughProxy(place)
    faultsOnWrites('active.json', fault)
    const first = await store.create('active.json', { epoch: 1 })
    expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 1 }, version: first })
    faultsOnWrites('active.json', fault)
    const second = await store.replace('active.json', { epoch: 2 }, first)
    expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 2 }, version: second })
  })

  test.each(landed)('(%s) and that came too late is a conflict, although no answer said so', async (fault) => {
    const place = newPlace()
    const store = throughProxy(place)
    const first = await directly(place).create('active.json', { epoch: 1 })
    await directly(place).replace('active.json', { epoch: 2 }, first)
    faultsOnWrites('active.json', fault)
    await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({ code: 'witness-conflict' })
    faultsOnWrites('active.json', fault)
    await expect(store.create('active.json', { epoch: 9 })).rejects.toMatchObject({ code: 'witness-conflict' })
    expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 2 } })
  })

  test('is not repeated over a document of another writer: a request that arrives late changes nothing any more', async () => {
    const place = newPlace()
    const store = throughProxy(place)
    const first = await store.create('active.json', { epoch: 1 })
    faultsOnWrites('active.json', 'deliver-late')
    await store.replace('active.json', { epoch: 2 }, first)
    const before = await directly(place).get('active.json')
    await proxy.deliverLate()
    expect(await directly(place).get('active.json')).toEqual(before)
    const third = await store.replace('active.json', { epoch: 3 }, before?.version ?? '')
    expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 3 }, version: third })
  })

  test('that fails again and again ends in time, and says that the witness does not answer', async () => {
    const store = throughProxy(newPlace())
    await store.create('first.json', {})
    proxy.faultFor = ({ method }) => (method === 'PUT' ? 'swallow-answer' : 'lose-request')
    const began = performance.now()
    await expect(store.create('active.json', { epoch: 1 })).rejects.toMatchObject({
      code: 'witness-unreachable',
      where: 'witness',
    })
    expect(performance.now() - began).toBeLessThan(4 * DEADLINE)
  })
})

describe('a store that cannot be a witness', () => {
  const forgetting = (store: ObjectStoreClient, forgets: 'ifAbsent' | 'ifVersion'): ObjectStoreClient => ({
    ...store,
    put: (key, body, options = {}) => {
      const { condition, ...rest } = options
      return store.put(key, body, condition === undefined || forgets in condition ? rest : options)
    },
  })

  test.each(['ifAbsent', 'ifVersion'] as const)(
    'because it ignores %s is refused before the first write, in every process anew',
    async (forgets) => {
      const place = newPlace()
      const weak = (): ConditionalStore =>
        conditionalStore(forgetting(openObjectStore(server.access(place)), forgets), signal, { deadline: DEADLINE })
      for (const store of [weak(), weak()]) {
        await expect(store.create('lock.json', {})).rejects.toMatchObject({ code: 'witness-weak' })
        await expect(store.create('lock.json', {})).rejects.toMatchObject({ code: 'witness-weak' })
      }
      expect(await weak().get('lock.json')).toBeNull()
    },
  )

  test('because it checks first and stores later, so that writers overtake each other, is refused', async () => {
    const place = newPlace()
    const store = openObjectStore(server.access(place))
    const overtaken: ObjectStoreClient = {
      ...store,
      async put(key, body, { condition, ...options } = {}) {
        if (condition !== undefined && 'ifVersion' in condition) {
          const found = await store.head(key, options)
          if (found?.version !== condition.ifVersion) return store.put(key, body, { ...options, condition })
          return store.put(key, body, options)
        }
        return store.put(key, body, { ...options, ...(condition === undefined ? {} : { condition }) })
      },
    }
    await expect(
      conditionalStore(overtaken, signal, { deadline: DEADLINE }).create('lock.json', {}),
    ).rejects.toMatchObject({
      code: 'witness-weak',
      message: expect.stringMatching(/let \d of \d writers replace one and the same version/),
    })
    expect(await directly(place).get('lock.json')).toBeNull()
  })

  test('because it does not listen, the key is wrong or the bucket is missing says which', async () => {
    const [closed] = await freePorts(1)
    const open = (more: object): ConditionalStore =>
      conditionalStore(openObjectStore({ ...server.access(), ...more }), signal, { deadline: DEADLINE })
    await expect(open({ endpoint: `http://127.0.0.1:${closed}` }).get('active.json')).rejects.toMatchObject({
      code: 'witness-unreachable',
    })
    await expect(open({ secretAccessKey: 'wrong' }).get('active.json')).rejects.toMatchObject({
      code: 'witness-denied',
    })
    await expect(open({ bucket: 'nothing' }).create('active.json', {})).rejects.toMatchObject({
      code: 'object-store-missing-bucket',
    })
  })

  test('is not asked anything by reading: the probe belongs to the first write, once', async () => {
    const place = newPlace()
    const store = throughProxy(place)
    proxy.delivered.length = 0
    await store.get('active.json')
    await store.list('runs/')
    expect(proxy.delivered.filter((request) => request.startsWith('PUT'))).toEqual([])
    const probes = (): number => proxy.delivered.filter((request) => request.includes('probe.json')).length
    await store.create('one.json', {})
    const once = probes()
    await store.create('two.json', {})
    expect(once).toBeGreaterThan(0)
    expect(probes()).toBe(once)
    expect(await directly(place).list('')).toEqual(['one.json', 'probe.json', 'two.json'])
  })
})

test('credentials are read by reference, and the place is the declared one', async () => {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = server.access()
  const place = newPlace()
  const spec = {
    endpoint,
    region,
    bucket,
    prefix: place,
    credentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } },
  }
  const values: Record<string, string> = { ID: accessKeyId, SECRET: secretAccessKey }
  const store = await openS3Store(spec, {
    stack: 'infisical',
    signal,
    credential: async (reference) => ('env' in reference ? (values[reference.env] ?? '') : ''),
    file: () => Promise.reject(new Error('no file is named')),
    login: () => Promise.reject(new Error('no login is declared')),
  })
  await store.create('active.json', { epoch: 1 })
  expect((await openObjectStore(server.access()).get(`${place}active.json`))?.body).toContain('"epoch":1')
})

test('the authorities that the stack file names are those by which the witness is believed', async () => {
  const secure = await startObjectStore({ tls: true })
  try {
    const { endpoint, region, bucket, accessKeyId, secretAccessKey, authorities = '' } = secure.access()
    const credentials = { accessKeyId: { env: accessKeyId }, secretAccessKey: { env: secretAccessKey } }
    const open = (endpointCA: Record<string, string>) =>
      openS3Store(
        { endpoint, region, bucket, credentials, ...endpointCA },
        {
          stack: 'infisical',
          signal,
          credential: async (reference) => ('env' in reference ? reference.env : ''),
          login: () => Promise.reject(new Error('no login is declared')),
          file: async (path) => (path === 'ca.pem' ? authorities : ''),
        },
      )
    const store = await open({ endpointCA: 'ca.pem' })
    await store.create('active.json', { epoch: 1 })
    expect((await store.get('active.json'))?.body).toMatchObject({ epoch: 1 })
    await expect((await open({})).get('active.json')).rejects.toMatchObject({
      code: 'witness-unreachable',
      next: expect.stringContaining('endpointCA'),
    })
  } finally {
    await secure.stop()
  }
})

describe('writers that know nothing of each other, over connections that break', () => {
  const fault = fc.constantFrom<Fault>('pass', 'pass', 'lose-answer', 'lose-request', 'busy-after', 'delay')

  test('never count to one number twice; what was reported is what is there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { minLength: 30, maxLength: 30 }),
        fc.integer({ min: 2, max: 4 }),
        async (faults, writers) => {
          const place = newPlace()
          const stores = Array.from({ length: writers }, () => throughProxy(place))
          const queue = [...faults]
          proxy.faultFor = ({ method, path }) =>
            method === 'PUT' && path.endsWith('count.json') ? (queue.shift() ?? 'pass') : 'pass'
          const reported: number[] = []
          let unknown = 0
          await Promise.all(
            stores.map(async (store) => {
              for (let round = 0; round < 4; round++) {
                const seen = await store.get('count.json')
                const next = countIn(seen) + 1
                try {
                  if (seen === null) await store.create('count.json', { count: next })
                  else await store.replace('count.json', { count: next }, seen.version)
                  reported.push(next)
                } catch (error) {
                  if (asStandbyError(error).code !== 'witness-conflict') unknown++
                }
              }
            }),
          )
          const final = countIn(await directly(place).get('count.json'))
          expect(new Set(reported).size).toBe(reported.length)
          expect(Math.max(0, ...reported)).toBeLessThanOrEqual(final)
          // Only a write that landed, was overwritten and lost its answer is reported as a conflict: then no writer
          // reports its success.
          expect(final - reported.length).toBeLessThanOrEqual(
            unknown + faults.filter((one) => one === 'lose-answer' || one === 'busy-after').length,
          )
        },
      ),
      { numRuns: 8 },
    )
  }, 120_000)

  test('of a lock: exactly one of many takes it, and of a journal: no entry is overwritten', async () => {
    const place = newPlace()
    const now = new Date('2026-11-21T02:00:00Z')
    faultsOnWrites('lock.json', 'lose-answer', 'busy-after', 'delay', 'lose-request')
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, (_, n) =>
        takeLock(throughProxy(place, 10 * DEADLINE), {
          stack: 'toy',
          holder: `run-${n}`,
          purpose: 'test',
          epoch: 2,
          now,
        }),
      ),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const one of tries) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'lock-held' })

    const journals = await Promise.all([openJournal(throughProxy(place), 'r'), openJournal(throughProxy(place), 'r')])
    const entry = { kind: 'intent', at: now.toISOString(), step: 'database.demote@dc-a' } as const
    const appended = await Promise.allSettled(journals.map((journal) => journal.append(entry)))
    expect(appended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})
