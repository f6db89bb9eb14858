import { expect, test } from '@jest/globals'
import { executeMove, type MoveRun } from '../../../src/execution/execute-move.ts'
import type { Every } from '../../../src/execution/lock-renewal.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { LOCK_LIFETIME, LOCK_RENEWAL, readLock } from '../../../src/witness/lock.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { deployedToy, toyDriver, toyWorld } from '../../support/toy-stack.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const turns = async (): Promise<void> => {
  for (let left = 50; left > 0; left--) await turn()
}

/** The run `r1` of a plan, by one process. */
function performed(
  { store, drivers, context, log, signal, listener }: ReturnType<typeof toyWorld>,
  { plan, digest }: Awaited<ReturnType<typeof planFailover>>,
  around: Pick<MoveRun, 'how' | 'clock' | 'every'>,
) {
  const progress = progressTo(log, around.clock, listener)
  return executeMove({ plan, digest, run: 'r1', store, drivers, context, progress, signal, ...around })
}

/**
 * A switchover whose application takes as long as the test likes to start, and time that passes when the test says so.
 */
async function waiting() {
  const { toy, store } = await deployedToy()
  let [now, started, broken] = [Date.now(), false, false]
  const clock: Clock = {
    now: () => new Date(now),
    async sleep(_, until) {
      await turn()
      until.throwIfAborted()
    },
  }
  const own = toyDriver(toy)
  const driver: FlatDriver = {
    ...own,
    behaviours: {
      ...own.behaviours,
      start: {
        done: async () => {
          if (broken) return { is: 'failed', code: toyCode['image-missing'], why: 'no image' }
          return started ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'the application' }
        },
      },
    },
  }
  const world = toyWorld(toy, store, { clock, driver })
  const planned = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const beats: (() => void)[] = []
  const every: Every = (_, work) => {
    beats.push(work)
    return { stop: () => beats.splice(beats.indexOf(work), 1) }
  }
  return {
    toy,
    store,
    process: (how: MoveRun['how']) => performed(world, planned, { how, clock, every }),
    now: () => now,
    pass: (ms: number) => {
      now += ms
    },
    start: () => {
      started = true
    },
    breakDown: () => {
      broken = true
    },
    /** The timers of all processes that live. */
    beat: async () => {
      for (const work of [...beats]) work()
      await turns()
    },
  }
}

test('a process that waits keeps its lock, however long it takes', async () => {
  const at = await waiting()
  const first = at.process('begin')
  await turns()
  for (let beats = 0; beats < 8; beats++) {
    at.pass(LOCK_RENEWAL)
    await at.beat()
  }
  const expiry = (await readLock(at.store))?.record.expiresAt ?? ''
  at.start()
  expect(await first).toMatchObject({ verdict: 'moved' })
  expect(Date.parse(expiry)).toBeGreaterThan(Date.now() + LOCK_LIFETIME)
})

test('a process keeps its lock from when it has taken it, also while it burns its nonce and begins its epoch over a slow way', async () => {
  const at = await waiting()
  const slow = Promise.withResolvers<void>()
  const create = at.store.create
  Object.assign(at.store, {
    create: async (key: string, body: JsonObject) => {
      if (key.startsWith('nonces/')) await slow.promise
      return create(key, body)
    },
  })
  const first = at.process('begin')
  await turns()
  const taken = Date.parse((await readLock(at.store))?.record.expiresAt ?? '')
  at.pass(LOCK_RENEWAL)
  await at.beat()
  expect(Date.parse((await readLock(at.store))?.record.expiresAt ?? '')).toBe(taken + LOCK_RENEWAL)
  slow.resolve()
  at.start()
  expect(await first).toMatchObject({ verdict: 'moved' })
})

test('of a process that waits and one that continues its run the later one goes on, at once when the other has stopped', async () => {
  const at = await waiting()
  const first = at.process('begin')
  await turns()
  const second = at.process('resume')
  await turns()
  at.pass(LOCK_RENEWAL)
  expect((await readLock(at.store))?.record.holder).toBe('r1#1')
  await at.beat()
  expect(await first).toMatchObject({ verdict: 'stopped', failure: { code: 'run-continued-elsewhere' } })
  // Its last action ends its lock: no process waits for one that has stopped by itself.
  await turns()
  expect((await readLock(at.store))?.record.holder).toBe('r1#2')
  at.start()
  expect(await second).toMatchObject({ verdict: 'moved' })
  expect(at.toy.effects.filter((effect) => effect === 'promote')).toHaveLength(1)
})

test('a process whose journal does not answer renews no lock, so that another process continues its run', async () => {
  const at = await waiting()
  const first = at.process('begin')
  await turns()
  const silent = Promise.withResolvers<void>()
  const { create } = at.store
  Object.assign(at.store, {
    create: async (key: string, body: JsonObject) => {
      if (key.includes('/journal/')) await silent.promise
      return create(key, body)
    },
  })
  at.start()
  await turns()
  const expiry = (await readLock(at.store))?.record.expiresAt
  at.pass(LOCK_RENEWAL)
  await at.beat()
  expect((await readLock(at.store))?.record.expiresAt).toBe(expiry)
  // Its journal answers another process.
  Object.assign(at.store, { create })
  at.pass(LOCK_LIFETIME)
  expect(await at.process('resume')).toMatchObject({ verdict: 'moved' })
  silent.resolve()
  expect(await first).toMatchObject({ verdict: 'stopped', failure: { code: 'run-continued-elsewhere' } })
  expect(at.toy.effects.filter((effect) => effect === 'promote')).toHaveLength(1)
})

test('a process whose lock another run has taken stops while it waits, names that run, and touches nothing more', async () => {
  const at = await waiting()
  const first = at.process('begin')
  await turns()
  const lock = await readLock(at.store)
  if (lock === null) throw new Error('no lock')
  await at.store.replace('lock.json', { ...lock.record, holder: 'r2#1' } as unknown as JsonObject, lock.version)
  const effects = [...at.toy.effects]
  at.pass(LOCK_RENEWAL)
  await at.beat()
  const { verdict, failure } = await first
  expect([verdict, failure?.code, failure?.message]).toEqual([
    'stopped',
    'lock-lost',
    'r1#1 does not hold the lock any more: r2#1 holds it now',
  ])
  expect(at.toy.effects).toEqual(effects)
  expect((await readLock(at.store))?.record.holder).toBe('r2#1')
})

test.each(['time', 'replace'] as const)(
  'the lock of a run that stops by itself stays ended, though a renewal of it is under way (its %s takes longer)',
  async (call) => {
    const at = await waiting()
    const first = at.process('begin')
    await turns()
    const [reached, late] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { time, replace } = at.store
    let held = false
    const holdOnce = async (): Promise<void> => {
      if (held) return
      held = true
      reached.resolve()
      await late.promise
    }
    Object.assign(
      at.store,
      call === 'time'
        ? { time: () => holdOnce().then(time) }
        : {
            replace: (key: string, body: JsonObject, version: string) =>
              holdOnce().then(() => replace(key, body, version)),
          },
    )
    at.pass(LOCK_RENEWAL)
    await at.beat()
    await reached.promise
    at.breakDown()
    expect(await first).toMatchObject({ verdict: 'stopped', failure: { code: 'image-missing' } })
    const ended = (await readLock(at.store))?.record
    late.resolve()
    await turns()
    expect((await readLock(at.store))?.record).toEqual(ended)
    expect(ended).toMatchObject({ holder: 'r1#1', released: false })
    expect(Date.parse(ended?.expiresAt ?? '')).toBeLessThanOrEqual(at.now())
  },
)

test('a process that resumes a run whose process died waits for its lock, and for 15 s at most', async () => {
  expect(LOCK_LIFETIME).toBeLessThanOrEqual(10_000)
  // Three renewals may fail before a lock expires under a holder that lives.
  expect(LOCK_RENEWAL * 4).toBeLessThanOrEqual(LOCK_LIFETIME)
})

test('a run that stops by itself ends its lock, unreleased, and its resume does not wait', async () => {
  const { toy, store } = await deployedToy()
  const own = toyDriver(toy)
  let broken = true
  const driver: FlatDriver = {
    ...own,
    behaviours: {
      ...own.behaviours,
      start: {
        done: async () =>
          broken ? { is: 'failed', code: toyCode['image-missing'], why: 'no image' } : { is: 'done', proof: {} },
      },
    },
  }
  let slept = 0
  const clock: Clock = {
    now: () => new Date(),
    async sleep(ms, until) {
      slept += ms
      await turn()
      until.throwIfAborted()
    },
  }
  const world = toyWorld(toy, store, { clock, driver })
  const planned = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const perform = (how: MoveRun['how']) => performed(world, planned, { how, clock })
  expect(await perform('begin')).toMatchObject({ verdict: 'stopped', failure: { code: 'image-missing' } })
  const left = (await readLock(store))?.record
  expect(left).toMatchObject({ holder: 'r1#1', released: false })
  expect(Date.parse(left?.expiresAt ?? '')).toBeLessThanOrEqual(Date.now())
  ;[broken, slept] = [false, 0]
  expect(await perform('resume')).toMatchObject({ verdict: 'moved' })
  expect(slept).toBe(0)
})
