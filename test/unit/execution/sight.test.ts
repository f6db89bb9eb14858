import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../src/clients/kubernetes-client.ts'
import { SILENCE } from '../../../src/clients/patience.ts'
import { measuredWay, sshAddress } from '../../../src/clients/round-trip.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { PlatformKey } from '../../../src/driver/platform-key.ts'
import { executeMove } from '../../../src/execution/execute-move.ts'
import { patienceWithSeen } from '../../../src/execution/freshness.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { waysTo } from '../../../src/execution/ways-to.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { deployedToy, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

describe('a fence that this process has seen, and whose site does not answer the next look', () => {
  test('is asked for 5 s over a short way, and for four times as long over one of 1.5 s: what is late is not silent', () => {
    expect(patienceWithSeen([])).toBe(5_000)
    expect(patienceWithSeen([{ roundTrip: null }, { roundTrip: 120 }])).toBe(5_000)
    expect(patienceWithSeen([{ roundTrip: 120 }, { roundTrip: 1_500 }])).toBe(20_000)
    expect(patienceWithSeen([{ roundTrip: 60_000 }])).toBe(20_000)
  })

  test('is asked over the ways to its site and to what its driver names', async () => {
    const { toy, store } = await deployedToy()
    const address = sshAddress('192.0.2.7')
    const world = toyWorld(toy, store, { driver: { ...toyDriver(toy), addresses: () => [address] } })
    const contact = { roundTrip: 1_500, heardAt: null }
    const context = { ...world.context, platform: <Client>() => ({ contact }) as Client }
    const around = { context, intent: null, drivers: world.drivers }
    expect(waysTo(toyStep('database.demote@dc-a', 'FENCE'), around)).toEqual([contact, measuredWay(address, SILENCE)])
    expect(waysTo({ ...toyStep('witness.lock', 'LOCK'), component: 'witness', site: null }, around)).toEqual([])
  })

  test('is asked for as long as its way takes before each promotion of a switchover', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const { drivers, log, listener, signal } = world
    // Each look at the clock takes 0.3 s: what was seen is soon old, and looked at again.
    let now = Date.now()
    const passing = (): Date => {
      now += 300
      return new Date(now)
    }
    const clock: Clock = { ...world.clock, now: passing }
    const asked: string[] = []
    const way = (site: string) =>
      ({
        contact: {
          heardAt: null,
          get roundTrip() {
            return asked.push(site)
          },
        },
      }) as unknown as KubernetesClient
    const context = {
      ...world.context,
      platform: <Client>(key: PlatformKey<Client>, site: SiteName) => ({
        ...world.context.platform(key, site),
        ...way(site),
      }),
    }
    const progress = progressTo(log, clock, listener)
    expect(
      await executeMove({ plan, digest, run: 'r1', how: 'begin', store, drivers, context, clock, progress, signal }),
    ).toMatchObject({
      verdict: 'moved',
    })
    expect(new Set(asked)).toEqual(new Set(['dc-a']))
  })
})
