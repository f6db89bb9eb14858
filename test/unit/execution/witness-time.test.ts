import { describe, expect, test } from '@jest/globals'
import { deploy } from '../../../src/operations/deploy.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { hours, minutes, seconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { LOCK_LIFETIME, readLock, renewLock, takeLock } from '../../../src/witness/lock.ts'
import { isHeld } from '../../../src/witness/lock-holder.ts'
import { witnessTime } from '../../../src/witness/time.ts'
import { deployedToy, toyApproval, toyWorld } from '../../support/toy-stack.ts'

/** A runner whose clock is off by so much, before a witness whose clock is right. */
async function runnerThatIs(off: number) {
  const { toy, store } = await deployedToy()
  let passed = 0
  const truth = (): Date => new Date(Date.now() + passed)
  const clock: Clock = {
    now: () => new Date(truth().getTime() + off),
    async sleep(ms, until) {
      passed += ms
      await new Promise<void>((resolve) => setImmediate(resolve))
      until.throwIfAborted()
    },
  }
  const timed = { ...store, time: async () => truth() }
  const pass = (ms: number): void => {
    passed += ms
  }
  return { world: toyWorld(toy, timed, { clock }), store: timed, truth, pass, clock, toy }
}

const request = (holder: string, now: Date) => ({ stack: 'toy', holder, purpose: 'deploy', epoch: 1, now })

describe('what crosses machines is judged by the time of the witness', () => {
  test.each([61_000, hours(2), -hours(2)])(
    'a lock that is live is not taken by a runner whose clock is %d ms off',
    async (off) => {
      const { world, store, truth } = await runnerThatIs(off)
      await takeLock(store, request('deploy-1', truth()))
      await expect(takeLock(store, request('deploy-2', await witnessTime(store, world.clock)))).rejects.toMatchObject({
        code: 'lock-held',
      })
    },
  )

  test('a runner whose clock is 2 h ahead leaves no lock that blocks other runs for longer than its lifetime', async () => {
    const { world, store, truth, pass } = await runnerThatIs(hours(2))
    await takeLock(store, request('deploy-1', await witnessTime(store, world.clock)))
    pass(seconds(13))
    await takeLock(store, request('deploy-2', truth()))
    expect((await readLock(store))?.record.holder).toBe('deploy-2')
  })

  test('a lock that says that it ends in two hours counts as free, and its own holder brings it back into its bounds', async () => {
    const { store, truth } = await runnerThatIs(0)
    await takeLock(store, request('forged', new Date(truth().getTime() + hours(2))))
    const forged = (await readLock(store))?.record
    expect(forged === undefined || isHeld(forged, truth())).toBe(false)
    expect(await renewLock(store, 'forged', truth())).toEqual({ is: 'renewed' })
    const renewed = (await readLock(store))?.record
    expect(renewed !== undefined && isHeld(renewed, truth())).toBe(true)
    expect(Date.parse(renewed?.expiresAt ?? '') - truth().getTime()).toBeLessThanOrEqual(seconds(12))
  })

  test.each([seconds(20), -seconds(20)])(
    'a run of a runner whose clock is %d ms off never holds a lock that ends beyond its lifetime, by the witness',
    async (off) => {
      const { world, store, truth } = await runnerThatIs(off)
      const lifetimes: number[] = []
      const watched = {
        ...store,
        replace: (key: string, body: JsonObject, version: string) => {
          if (key === 'lock.json' && body.released === false)
            lifetimes.push(Date.parse(String(body.expiresAt)) - truth().getTime())
          return store.replace(key, body, version)
        },
      }
      const own = { ...world, store: watched }
      const { plan, digest } = await planFailover(own, { mode: 'switchover', to: 'dc-b' })
      expect(await executeFailover(own, plan, toyApproval(digest))).toMatchObject({ verdict: 'moved' })
      expect(lifetimes.filter((lifetime) => lifetime > LOCK_LIFETIME)).toEqual([])
    },
  )

  test('a plan that has expired is refused by a runner whose clock is slow', async () => {
    const { world, pass } = await runnerThatIs(-minutes(4))
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    pass(hours(2) + minutes(2))
    expect(await executeFailover(world, plan, toyApproval(digest))).toMatchObject({
      verdict: 'refused',
      failure: { code: 'plan-expired' },
    })
  })

  test.each([
    [seconds(20), []],
    [-seconds(20), []],
    [seconds(61), [{ code: 'clock-skewed', severity: 'warning' }]],
    [-minutes(4), [{ code: 'clock-skewed', severity: 'warning' }]],
    [minutes(6), [{ code: 'clock-wrong', severity: 'blocker' }]],
    [-hours(2), [{ code: 'clock-wrong', severity: 'blocker' }]],
  ])('a runner whose clock is %d ms off says so in status and plan: %j', async (off, found) => {
    const { world } = await runnerThatIs(off)
    const observation = await world.observe()
    const ofClock = (findings: readonly { readonly code: string; readonly severity: string }[]) =>
      findings.filter(({ code }) => code.startsWith('clock-')).map(({ code, severity }) => ({ code, severity }))
    expect(ofClock(world.findings(observation, null))).toEqual(found)
    const { plan } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    expect(ofClock(plan.findings)).toEqual(found)
  })

  test.each([minutes(6), -hours(2)])(
    'nothing is changed by a runner whose clock is %d ms off: no move and no deploy',
    async (off) => {
      const { world, store, toy } = await runnerThatIs(off)
      const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
      expect(await executeFailover(world, plan, toyApproval(digest))).toMatchObject({
        verdict: 'refused',
        failure: { code: 'clock-wrong' },
      })
      await expect(deploy(world, { dryRun: false, only: [] })).rejects.toMatchObject({ code: 'clock-wrong' })
      expect(toy.effects).toEqual([])
      expect(await readLock(store)).toBeNull()
    },
  )

  test('a store that says no time leaves it to the clock of the machine, as before', async () => {
    const { store } = await deployedToy()
    const now = new Date('2026-11-29T00:00:00Z')
    expect(await witnessTime(store, { now: () => now })).toEqual(now)
  })
})
