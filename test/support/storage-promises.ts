import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import type { PutCondition } from '../../src/clients/object-store-client.ts'
import { asStandbyError } from '../../src/errors/standby-error.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { Unreadable } from '../../src/witness/damage.ts'
import { documentsIn } from '../../src/witness/documents-in.ts'
import { openJournal } from '../../src/witness/journal.ts'
import { takeLock } from '../../src/witness/lock.ts'
import type { VersionedObjects } from '../../src/witness/versioned-objects.ts'
import { type Fault, type FaultyProxy, startFaultyProxy } from './faulty-proxy.ts'
import { freePorts } from './server-process.ts'
import { type WitnessServer, witnessIn } from './witness-server.ts'

jest.setTimeout(30_000)

/** Where no answer comes; elsewhere each call has the time that the program gives it, on a busy machine too. */
const SHORT = { deadline: 2_000 }
const timeFor = (fault: Fault): { readonly deadline?: number } => (fault === 'swallow-answer' ? SHORT : {})
const signal = new AbortController().signal
let places = 0
const newPlace = (): string => `place-${places++}/`
const countIn = (found: { readonly body: unknown } | null): number =>
  Number((found?.body as { readonly count?: number } | undefined)?.count ?? 0)

/** What every storage promises that a witness can be kept in, on a real server. */
export const describeStorage = (start: () => Promise<WitnessServer>): void => {
  let server: WitnessServer
  let proxy: FaultyProxy
  beforeAll(async () => {
    server = await start()
    proxy = await startFaultyProxy(server.endpoint)
  }, 120_000)
  afterEach(() => {
    proxy.faultFor = () => 'pass'
  })
  afterAll(async () => {
    await proxy.close()
    await server.stop()
  })

  const directly = (place: string): ConditionalStore => witnessIn(server, place)
  const throughProxy = (place: string, more: { readonly deadline?: number } = {}): ConditionalStore =>
    witnessIn(server, place, { ...more, endpoint: proxy.endpoint })
  /** The next writes of this key meet these faults, one each; everything else passes. */
  const faultsOnWrites = (key: string, ...faults: Fault[]): void => {
    proxy.faultFor = (request) => (server.writes(request, key) ? (faults.shift() ?? 'pass') : 'pass')
  }

  describe('a text of the witness', () => {
    const TEXT = '\uFEFF{"by": "Jörg → \\ufffd"}\r\n'

    test('is stored byte for byte, and nothing beside it: its SHA-256 is that of the object', async () => {
      const place = newPlace()
      await directly(place).createText('evidence/00000001.json', TEXT)
      expect(await directly(place).getText('evidence/00000001.json')).toBe(TEXT)
      expect(await server.objects(place).head('evidence/00000001.json')).toMatchObject({
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
      expect(await store.get('active.json')).toEqual({
        body: { epoch: 1, writeId: expect.any(String) },
        version: first,
      })
      const second = await store.replace('active.json', { epoch: 2 }, first)
      await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({
        code: 'witness-conflict',
      })
      expect(await store.get('active.json')).toMatchObject({ body: { epoch: 2 }, version: second })
    })

    test('that says the same as before has another version all the same: an old reader cannot replace it', async () => {
      const store = directly(newPlace())
      const first = await store.create('active.json', { epoch: 1 })
      const second = await store.replace('active.json', { epoch: 1 }, first)
      expect(second).not.toBe(first)
      await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({
        code: 'witness-conflict',
      })
    })

    test('that a person has damaged is a value that says why, not a missing one', async () => {
      const place = newPlace()
      await server.put(place, 'lock.json', '{"holder":')
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

    test.each([...landed, ...lost])('(%s) succeeds once and says so', async (fault) => {
      const place = newPlace()
      const store = throughProxy(place, timeFor(fault))
      faultsOnWrites('active.json', fault)
      const first = await store.create('active.json', { epoch: 1 })
      expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 1 }, version: first })
      faultsOnWrites('active.json', fault)
      const second = await store.replace('active.json', { epoch: 2 }, first)
      expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 2 }, version: second })
    })

    test.each(landed)('(%s) and that came too late is a conflict, although no answer said so', async (fault) => {
      const place = newPlace()
      const store = throughProxy(place, timeFor(fault))
      const first = await directly(place).create('active.json', { epoch: 1 })
      await directly(place).replace('active.json', { epoch: 2 }, first)
      faultsOnWrites('active.json', fault)
      await expect(store.replace('active.json', { epoch: 9 }, first)).rejects.toMatchObject({
        code: 'witness-conflict',
      })
      faultsOnWrites('active.json', fault)
      await expect(store.create('active.json', { epoch: 9 })).rejects.toMatchObject({ code: 'witness-conflict' })
      expect(await directly(place).get('active.json')).toMatchObject({ body: { epoch: 2 } })
    })

    test('is not repeated over a document of another writer: a request that arrives late changes nothing any more', async () => {
      const place = newPlace()
      const store = throughProxy(place, SHORT)
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
      const store = throughProxy(newPlace(), SHORT)
      await store.create('first.json', {})
      proxy.faultFor = ({ method }) => (method === 'PUT' ? 'swallow-answer' : 'lose-request')
      const began = performance.now()
      await expect(store.create('active.json', { epoch: 1 })).rejects.toMatchObject({
        code: 'witness-unreachable',
        where: 'witness',
      })
      expect(performance.now() - began).toBeLessThan(4 * SHORT.deadline)
    })
  })

  describe('a store that cannot be a witness', () => {
    /** Writes without the precondition, as through a proxy that removes it. */
    const without = (place: string, removed: (condition: PutCondition, found: string | null) => boolean) => {
      const objects = server.objects(place)
      const weak: VersionedObjects = {
        ...objects,
        async put(key, body, options = {}) {
          const { condition } = options
          const found = condition === undefined ? null : await objects.head(key)
          if (condition === undefined || !removed(condition, found?.version ?? null))
            return objects.put(key, body, options)
          await server.put(place, key, String(body))
          return (await objects.head(key))?.version ?? ''
        },
      }
      return documentsIn(weak, signal, { preconditions: server.preconditions })
    }

    test.each(['ifAbsent', 'ifVersion'] as const)(
      'because it ignores %s is refused before the first write, in every process anew',
      async (forgets) => {
        const place = newPlace()
        const weak = (): ConditionalStore => without(place, (condition) => forgets in condition)
        for (const store of [weak(), weak()]) {
          await expect(store.create('lock.json', {})).rejects.toMatchObject({ code: 'witness-weak' })
          await expect(store.create('lock.json', {})).rejects.toMatchObject({ code: 'witness-weak' })
        }
        expect(await weak().get('lock.json')).toBeNull()
      },
    )

    test('because it checks first and stores later, so that writers overtake each other, is refused', async () => {
      const place = newPlace()
      const overtaken = without(place, (condition, found) => 'ifVersion' in condition && condition.ifVersion === found)
      await expect(overtaken.create('lock.json', {})).rejects.toMatchObject({
        code: 'witness-weak',
        message: expect.stringMatching(/let \d of \d writers replace one and the same version/),
      })
      expect(await directly(place).get('lock.json')).toBeNull()
    })

    test('because it does not listen, or the secret is wrong, says which', async () => {
      const [closed] = await freePorts(1)
      const open = (more: object): ConditionalStore => witnessIn(server, '', more)
      await expect(open({ endpoint: `http://127.0.0.1:${closed}` }).get('active.json')).rejects.toMatchObject({
        code: 'witness-unreachable',
      })
      for (const ask of [
        (store: ConditionalStore) => store.get('active.json'),
        (store: ConditionalStore) => store.list('runs/'),
        (store: ConditionalStore) => store.create('active.json', {}),
      ])
        await expect(ask(open({ secret: 'wrong' }))).rejects.toMatchObject({ code: 'witness-denied' })
    })

    test('which answers says what time it is, within two seconds', async () => {
      const said = await directly(newPlace()).time()
      expect(Math.abs((said?.getTime() ?? 0) - Date.now())).toBeLessThan(2_000)
    })

    test('is not asked anything by reading: the probe belongs to the first write, once', async () => {
      const place = newPlace()
      const store = throughProxy(place)
      proxy.delivered.length = 0
      await store.get('active.json')
      await store.list('runs/')
      expect(proxy.delivered.filter((request) => request.startsWith('PUT'))).toEqual([])
      const writes = (): number => proxy.delivered.filter((request) => request.startsWith('PUT')).length
      await store.create('one.json', {})
      const withProbe = writes()
      await store.create('two.json', {})
      expect(withProbe).toBeGreaterThan(1)
      expect(writes()).toBe(withProbe + 1)
      expect(await directly(place).list('')).toEqual(['one.json', 'probe.json', 'two.json'])
    })
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
            proxy.faultFor = (request) => (server.writes(request, 'count.json') ? (queue.shift() ?? 'pass') : 'pass')
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
          takeLock(throughProxy(place), {
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
}
