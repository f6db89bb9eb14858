import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { createActive } from '../../../src/witness/active.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import type { LockRecord } from '../../../src/witness/documents.ts'
import {
  assertStillOurs,
  endLock,
  LOCK_LIFETIME,
  readLock,
  releaseLock,
  renewLock,
  takeLock,
} from '../../../src/witness/lock.ts'
import { isHeld } from '../../../src/witness/lock-holder.ts'
import { memoryStore } from '../../support/memory-store.ts'

const now = new Date('2026-11-21T03:00:00Z')
const request = (holder: string, at = now) => ({ stack: 'toy', holder, purpose: 'test', epoch: 2, now: at })
const later = (ms: number): Date => new Date(now.getTime() + ms)

/** The store, with each call held back until the schedule lets it go on. */
function interleaved(store: ConditionalStore, scheduler: fc.Scheduler): ConditionalStore {
  return {
    ...store,
    get: (key) => scheduler.schedule(Promise.resolve(), `get ${key}`).then(() => store.get(key)),
    create: (key, body) => scheduler.schedule(Promise.resolve(), `create ${key}`).then(() => store.create(key, body)),
    replace: (key, body, version) =>
      scheduler.schedule(Promise.resolve(), `replace ${key}`).then(() => store.replace(key, body, version)),
    list: (prefix) => scheduler.schedule(Promise.resolve(), `list ${prefix}`).then(() => store.list(prefix)),
  }
}

describe('the lock', () => {
  test('at most one of any number of runs takes it, in whatever order their requests arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 2, max: 6 }),
        fc.boolean(),
        async (scheduler, runs, heldBefore) => {
          const store = memoryStore()
          if (heldBefore) {
            await takeLock(store, request('before'))
            await releaseLock(store, 'before')
          }
          const taken = Array.from({ length: runs }, (_, index) =>
            takeLock(interleaved(store, scheduler), request(`run-${index}`)),
          )
          const settled = Promise.allSettled(taken)
          await scheduler.waitFor(settled)
          const results = await settled
          expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
          for (const result of results)
            if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'lock-held' })
        },
      ),
    )
  })

  test('is refused while another process holds it, with holder and expiry, and free again after its lifetime', async () => {
    const store = memoryStore()
    await takeLock(store, request('first'))
    await expect(takeLock(store, request('second', later(LOCK_LIFETIME - 1)))).rejects.toMatchObject({
      code: 'lock-held',
      message: expect.stringContaining('first'),
    })
    await takeLock(store, request('second', later(LOCK_LIFETIME)))
    expect(await renewLock(store, 'first', later(LOCK_LIFETIME))).toEqual({ is: 'taken', by: 'second' })
  })

  test('an effect is refused once the lock was taken over or released, or a later epoch began; one that only expired is taken anew', async () => {
    const store = memoryStore()
    await takeLock(store, request('ours'))
    await assertStillOurs(store, 'ours', 2, now)
    await assertStillOurs(store, 'ours', 2, later(LOCK_LIFETIME))
    expect((await readLock(store))?.record.expiresAt).toBe(later(2 * LOCK_LIFETIME).toISOString())
    await createActive(store, {
      schemaVersion: 1,
      stack: 'toy',
      epoch: 3,
      activeSite: 'dc-a',
      since: now.toISOString(),
      run: 'other',
    })
    await expect(assertStillOurs(store, 'ours', 2, now)).rejects.toMatchObject({
      code: 'lock-lost',
      message: expect.stringContaining('epoch 3'),
    })
    await takeLock(store, { ...request('other'), now: later(2 * LOCK_LIFETIME) })
    await expect(assertStillOurs(store, 'ours', 3, now)).rejects.toMatchObject({ code: 'lock-lost' })
    await releaseLock(store, 'other')
    await expect(assertStillOurs(store, 'other', 3, now)).rejects.toMatchObject({ code: 'lock-lost' })
  })

  test('of a holder that is far from its witness lives so much longer that a renewal which lost two packets in a row comes before its end', async () => {
    const way: { roundTrip: number | null } = { roundTrip: null }
    const store = { ...memoryStore(), way }
    await takeLock(store, request('ours'))
    expect((await readLock(store))?.record.expiresAt).toBe(later(LOCK_LIFETIME).toISOString())
    way.roundTrip = 1_500
    await renewLock(store, 'ours', now)
    // Beat, three requests one after the other, and two losses (9 + 4.5 s) in two renewals that follow each other.
    const renewed = 2_500 + 3 * 1_500 + 13_500
    const expiry = later(30_000)
    expect((await readLock(store))?.record.expiresAt).toBe(expiry.toISOString())
    expect(now.getTime() + renewed).toBeLessThan(expiry.getTime())
    // An effect renews a lock that has lost half its life.
    await assertStillOurs(store, 'ours', 2, later(14_000))
    expect((await readLock(store))?.record.expiresAt).toBe(expiry.toISOString())
    await assertStillOurs(store, 'ours', 2, later(16_000))
    expect((await readLock(store))?.record.expiresAt).toBe(later(46_000).toISOString())
    way.roundTrip = 60_000
    await renewLock(store, 'ours', later(20_000))
    // No reader believes a lock that says more than that.
    expect(isHeld({ ...request('ours'), ...(await readLock(store))?.record } as LockRecord, later(20_000))).toBe(true)
  })

  /** A store that answers late, so that processes that read at the same time read the same version. */
  const slow = (store: ConditionalStore): ConditionalStore => {
    const later = () => new Promise<void>((resolve) => setTimeout(resolve, 2))
    return {
      ...store,
      get: (key) => later().then(() => store.get(key)),
      replace: (key, body, version) => later().then(() => store.replace(key, body, version)),
    }
  }

  test('is not taken for lost by its own holder, however many steps and timers renew it at once', async () => {
    const store = slow(memoryStore())
    await takeLock(store, request('ours'))
    const half = later(LOCK_LIFETIME / 2 + 1)
    const steps = Array.from({ length: 5 }, () => assertStillOurs(store, 'ours', 2, half))
    await Promise.all([...steps, renewLock(store, 'ours', half), renewLock(store, 'ours', later(LOCK_LIFETIME))])
    expect((await readLock(store))?.record).toMatchObject({
      expiresAt: later(2 * LOCK_LIFETIME).toISOString(),
      released: false,
    })
  })

  test('is ended, and not released, by a run that stops: the process that continues it takes it at once, and no other run takes it for free', async () => {
    const store = memoryStore()
    await takeLock(store, request('ours'))
    await endLock(store, 'ours', later(1))
    expect((await readLock(store))?.record).toMatchObject({
      holder: 'ours',
      released: false,
      expiresAt: later(1).toISOString(),
    })
    await takeLock(store, request('next', later(1)))
    await endLock(store, 'ours', later(2))
    expect((await readLock(store))?.record.expiresAt).toBe(later(1 + LOCK_LIFETIME).toISOString())
  })

  test('is not refused to its own holder, whose renewal came between its look and its write', async () => {
    const store = memoryStore()
    await takeLock(store, request('ours'))
    const overtaken: ConditionalStore = {
      ...store,
      replace: async (key, body, version) => {
        await renewLock(store, 'ours', later(1_000))
        return store.replace(key, body, version)
      },
    }
    await takeLock(overtaken, request('ours'))
    expect((await readLock(store))?.record).toMatchObject({ holder: 'ours', released: false })
  })

  test('is renewed and given back over a write of its own process that was not awaited', async () => {
    const store = memoryStore()
    const [one, other] = [slow(store), slow(store)]
    await takeLock(store, request('ours'))
    await Promise.all([renewLock(one, 'ours', later(1)), renewLock(other, 'ours', later(1))])
    const [renewal] = await Promise.all([renewLock(one, 'ours', later(2)), releaseLock(other, 'ours')])
    // Renewed after its end, it is lost, and stays released.
    expect(['renewed', 'released']).toContain(renewal.is)
    expect((await readLock(store))?.record.released).toBe(true)
  })
})
