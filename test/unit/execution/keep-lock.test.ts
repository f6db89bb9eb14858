import { expect, test } from '@jest/globals'
import { executeMove, type MoveRun } from '../../../src/execution/execute-move.ts'
import type { Every } from '../../../src/execution/keep-lock.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { LOCK_LIFETIME, readLock } from '../../../src/execution/witness.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Clock, Driver } from '../../../src/planning/driver.ts'
import { deployedToy, toyDriver, toyWorld } from '../../support/toy-stack.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const turns = async (): Promise<void> => {
  for (let left = 50; left > 0; left--) await turn()
}

/** A switchover whose application takes as long as the test likes to start, and time that passes when the test says so. */
async function waiting() {
  const { toy, store } = await deployedToy()
  let [now, started] = [Date.now(), false]
  const clock: Clock = {
    now: () => new Date(now),
    async sleep(_, until) {
      await turn()
      until.throwIfAborted()
    },
  }
  const own = toyDriver(toy)
  const driver: Driver = {
    ...own,
    behaviours: {
      ...own.behaviours,
      start: { done: async () => (started ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'the application' }) },
    },
  }
  const world = toyWorld(toy, store, { clock, driver })
  const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const beats: (() => void)[] = []
  const every: Every = (_, work) => {
    beats.push(work)
    return { stop: () => beats.splice(beats.indexOf(work), 1) }
  }
  const process = (how: MoveRun['how']) => {
    const { drivers, context, log, signal, listener } = world
    return executeMove({
      plan,
      digest,
      run: 'r1',
      how,
      store,
      drivers,
      context,
      clock,
      progress: progressTo(log, clock, listener),
      signal,
      every,
    })
  }
  return {
    toy,
    store,
    process,
    pass: (ms: number) => {
      now += ms
    },
    start: () => {
      started = true
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
    at.pass(LOCK_LIFETIME / 4)
    await at.beat()
  }
  const expiry = (await readLock(at.store))?.record.expiresAt ?? ''
  at.start()
  expect(await first).toMatchObject({ verdict: 'moved' })
  expect(Date.parse(expiry)).toBeGreaterThan(Date.now() + LOCK_LIFETIME)
})

test('of a process that waits and one that continues its run the later one goes on, and the other stops and renews nothing', async () => {
  const at = await waiting()
  const first = at.process('begin')
  await turns()
  const second = at.process('resume')
  await turns()
  at.pass(LOCK_LIFETIME / 4)
  const before = (await readLock(at.store))?.record
  await at.beat()
  expect(await first).toMatchObject({ verdict: 'stopped', failure: { code: 'run-continued-elsewhere' } })
  expect((await readLock(at.store))?.record).toEqual(before)
  at.pass(LOCK_LIFETIME)
  await turns()
  expect((await readLock(at.store))?.record.holder).toBe('r1#2')
  at.start()
  expect(await second).toMatchObject({ verdict: 'moved' })
  expect(at.toy.effects.filter((effect) => effect === 'promote')).toHaveLength(1)
})
