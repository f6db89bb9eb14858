import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { DriverStep } from '../../../../src/driver/action.ts'
import { followerSteps } from '../../../../src/drivers/redis-sentinel/move/follow.ts'
import { moves } from '../../../../src/drivers/redis-sentinel/move/moves.ts'
import { GROUP, type SentinelWorld, settled, startSentinels } from '../../../support/sentinel.ts'
import { A, B, C, groupOf, lostOn, moverOf, observeAll, startLedger } from './world.ts'

const TO_B: Intent = { mode: 'switchover', from: A, to: B }
const TO_A: Intent = { mode: 'switchover', from: B, to: A }
const NO_STACK = {} as never

let world: SentinelWorld
beforeAll(async () => {
  world = await startSentinels({ 'dc-a': 2, 'dc-b': 2, 'dc-c': 1 })
}, 120_000)
afterAll(() => world?.stop())

const stepsOf = async (intent: Intent): Promise<DriverStep[]> =>
  moves.switchover?.(groupOf(world), await observeAll(world), intent, NO_STACK) ?? []
const named = (steps: readonly DriverStep[], action: string): DriverStep => {
  const step = steps.find((one) => one.action === action)
  if (step === undefined) throw new Error(`no step ${action}`)
  return step
}
const rolesOf = async (): Promise<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(await observeAll(world)).map(([site, seen]) => [site, seen.kind === 'answering' ? seen.role : '-']),
  )
async function move(intent: Intent): Promise<void> {
  const mover = moverOf(world, intent)
  for (const step of await stepsOf(intent)) await mover.perform(step)
  for (const step of followerSteps(groupOf(world), C, intent)) await mover.perform(step)
}

describe('a switchover of a group of Redis under Sentinel', () => {
  test.each([
    ['acknowledged by the master alone', 0],
    ['acknowledged by one replica too (WAIT 1)', 1],
  ])(
    'goes to and fro under writes that are %s, and loses none',
    async (_what, replicas) => {
      const ledger = startLedger(world, replicas)
      await move(TO_B)
      expect(await rolesOf()).toEqual({ [A]: 'passive', [B]: 'active', [C]: 'passive' })
      await move(TO_A)
      expect(await rolesOf()).toEqual({ [A]: 'active', [B]: 'passive', [C]: 'passive' })
      const { acknowledged, longestGap } = await ledger.stop()
      expect(await lostOn(world, 'cache-a1', acknowledged)).toEqual([])
      expect(acknowledged.length).toBeGreaterThan(100)
      expect(longestGap).toBeLessThan(20_000)
      const priorities = await Promise.all(
        Object.values(world.redis).map(
          async (node) => (await node.command('CONFIG', 'GET', 'replica-priority')).split('\n')[1],
        ),
      )
      expect(priorities).toEqual(['10', '20', '0', '0', '0'])
    },
    180_000,
  )

  test('is taken back before its promotion: the old site accepts writes, with the priorities of before', async () => {
    const mover = moverOf(world, TO_B)
    const steps = await stepsOf(TO_B)
    const [aim, close] = [named(steps, 'aim'), named(steps, 'close')]
    await mover.perform(aim)
    await mover.perform(close)
    await mover.perform(named(steps, 'catch-up'))
    expect(await world.node('cache-a1').command('SET', 'closed', '1')).toMatch(/^NOREPLICAS/)
    // Longer than the 3 s after which Sentinel takes a master for down: a closed one answers its Sentinels.
    await new Promise((resolve) => setTimeout(resolve, 9_000))
    expect(await world.node('sentinel-a').command('SENTINEL', 'MASTER', GROUP)).toMatch(/^flags\nmaster$/m)
    expect(world.node('sentinel-a').log()).not.toMatch(/[+]sdown master/)
    await mover.takeBack(close)
    await mover.takeBack(aim)
    expect(await world.node('cache-a1').command('SET', 'open', '1')).toBe('OK')
    expect(await world.node('cache-a2').command('CONFIG', 'GET', 'replica-priority')).toBe('replica-priority\n20')
    expect(await world.node('cache-b1').command('CONFIG', 'GET', 'replica-priority')).toBe('replica-priority\n0')
  }, 90_000)

  test('never promotes what has not received the last write: a replica that hangs is waited for', async () => {
    const mover = moverOf(world, TO_B)
    const steps = await stepsOf(TO_B)
    for (const action of ['aim', 'close', 'catch-up']) await mover.perform(named(steps, action))
    // Amid the run somebody opens the old master, and writes while the new one hears nothing.
    await world.node('cache-a1').command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    world.node('cache-b1').freeze(true)
    expect(await world.node('cache-a1').command('SET', 'late', '1')).toBe('OK')
    const promotion = mover.perform(named(steps, 'promote'))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    world.node('cache-b1').freeze(false)
    await promotion
    expect(await world.node('cache-b1').command('GET', 'late')).toBe('1')
    await mover.perform(named(steps, 'follow'))
    await mover.perform(named(steps, 'settle'))
    await move(TO_A)
  }, 120_000)

  test('is stale after Sentinel has moved the master inside the active site', async () => {
    await settled(world)
    const before = await observeAll(world)
    await world.node('cache-a1').kill()
    await until('Sentinel to promote cache-a2', { deadline: 40_000, every: 250 }, () =>
      world.node('cache-a2').isMaster(),
    )
    const after = await observeAll(world)
    const factsAt = (seen: (typeof before)[string] | undefined) => (seen?.kind === 'answering' ? seen.facts : [])
    expect(factsAt(before[A])).toEqual([{ name: 'master', value: 'cache-a1', binds: 'exactly' }])
    expect(factsAt(after[A])).toEqual([{ name: 'master', value: 'cache-a2', binds: 'exactly' }])
  }, 90_000)
})
