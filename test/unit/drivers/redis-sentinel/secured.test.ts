import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import { assessment } from '../../../../src/drivers/redis-sentinel/assess/assess.ts'
import { moves } from '../../../../src/drivers/redis-sentinel/move/moves.ts'
import { GROUP, type SentinelWorld, settled, startSentinels } from '../../../support/sentinel.ts'
import { A, B, groupOf, lostOn, moverOf, observeAll, startLedger } from './world.ts'

const NO_STACK = {} as never
const around = (activeSite: string): Assessment =>
  ({ activeSite, stack: { sites: [{ name: A }, { name: B }] } }) as unknown as Assessment

let world: SentinelWorld
beforeAll(async () => {
  world = await startSentinels({ 'dc-a': 1, 'dc-b': 1 }, { tls: true, hostnames: true })
}, 120_000)
afterAll(() => world?.stop())

const codesFound = async (activeSite: string): Promise<string[]> =>
  assessment.status(groupOf(world), await observeAll(world), around(activeSite)).map(({ code }) => code)

async function move(intent: Intent): Promise<void> {
  const mover = moverOf(world, intent)
  for (const step of moves.switchover?.(groupOf(world), await observeAll(world), intent, NO_STACK) ?? [])
    await mover.perform(step)
}

describe('a group with TLS, accounts of Redis and of Sentinel, and names in place of addresses', () => {
  test('refuses what has no TLS and what has no certificate, so that these tests prove something', async () => {
    const { port } = world.node('cache-a1')
    const asked = (more: string) => world.on(`redis-cli -h ${world.host} -p ${port} ${more} PING 2>&1`)
    expect((await asked('')).stdout).not.toContain('PONG')
    const { authority = '' } = world.spec.tls ?? {}
    expect((await asked(`--tls --cacert ${authority}`)).stdout).not.toContain('PONG')
  })

  test('is seen whole, and nothing is wrong with it', async () => {
    expect(await codesFound(A)).toEqual([])
    const { [B]: seen } = await observeAll(world)
    const follows = seen?.kind === 'answering' ? seen.state.redis['cache-b1'] : null
    expect(follows).toMatchObject({ role: 'replica', linked: true, follows: world.node('cache-a1').address })
  })

  test('moves to and fro under writes, and loses none', async () => {
    const ledger = startLedger(world)
    await until(
      'the first writes',
      { deadline: 10_000, every: 50 },
      async () => (await world.node('cache-a1').command('DBSIZE')) > '10',
    )
    await move({ mode: 'switchover', from: A, to: B })
    expect(await world.node('cache-b1').isMaster()).toBe(true)
    await settled(world)
    expect(await codesFound(B)).toEqual([])
    await move({ mode: 'switchover', from: B, to: A })
    const { acknowledged } = await ledger.stop()
    expect(await lostOn(world, 'cache-a1', acknowledged)).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(100)
    for (const sentinel of Object.values(world.sentinels))
      expect(await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', GROUP)).toBe(
        world.node('cache-a1').address.replace(':', '\n'),
      )
  }, 180_000)
})
