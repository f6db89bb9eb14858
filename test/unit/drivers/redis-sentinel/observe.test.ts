import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import { gapsOf } from '../../../../src/drivers/redis-sentinel/assess/assess.ts'
import { findingsOfPair, findingsOfSite } from '../../../../src/drivers/redis-sentinel/assess/findings-of-site.ts'
import { livenessSignalsOf } from '../../../../src/drivers/redis-sentinel/liveness-signals.ts'
import { type GroupState, observeGroup } from '../../../../src/drivers/redis-sentinel/observe.ts'
import { ask } from '../../../../src/drivers/redis-sentinel/wire.ts'
import { type SentinelWorld, startSentinels } from '../../../support/sentinel.ts'
import { A, B, C, contextOf, groupOf, observeAll } from './world.ts'

let world: SentinelWorld
beforeAll(async () => {
  world = await startSentinels({ 'dc-a': 2, 'dc-b': 1, 'dc-c': 1 })
}, 120_000)
afterAll(() => world?.stop())

const found = (states: Record<string, Observed<GroupState>>): string[] =>
  [A, B, C].flatMap((site) =>
    [
      ...findingsOfSite(groupOf(world), site, states, 'status', A),
      ...findingsOfPair(groupOf(world), states, site, 'status', A),
    ].map(({ code, what }) => `${String(code)}: ${what}`),
  )

describe('the observation of a real group of Redis with Sentinels over three sites', () => {
  test('sees the master, its replicas and what every Sentinel says, and finds nothing wrong', async () => {
    const states = await observeAll(world)
    expect(Object.values(states).map((seen) => (seen.kind === 'answering' ? seen.text : seen.why))).toEqual([
      'master cache-a1, 2/2 Redis, 1/1 Sentinels',
      'follows cache-a1, 1/1 Redis, 1/1 Sentinels',
      'follows cache-a1, 1/1 Redis, 1/1 Sentinels',
    ])
    expect(Object.values(states).map((seen) => (seen.kind === 'answering' ? seen.facts : []))).toEqual([
      [{ name: 'master', value: 'cache-a1', binds: 'exactly' }],
      [{ name: 'follows', value: 'dc-a', binds: 'exactly' }],
      [{ name: 'follows', value: 'dc-a', binds: 'exactly' }],
    ])
    expect(found(states)).toEqual([])
    expect(gapsOf(states, A)['dc-b']?.bytes).toBeLessThan(2_000)
    expect(livenessSignalsOf(groupOf(world), states, A).map(({ from, says }) => `${from}: ${says}`)).toEqual([
      'Redis of dc-a: up',
      'cache-b1 of dc-b: up',
      'cache-c1 of dc-c: up',
    ])
  }, 60_000)

  test('says why a site is silent, and refuses a wrong password by name', async () => {
    const seen = await observeGroup(groupOf(world), B, contextOf(world, new Set(['dc-b'])))
    expect(seen.kind).toBe('silent')
    const context = { ...contextOf(world), credential: async () => 'wrong' }
    await expect(
      ask(groupOf(world), { kind: 'redis', site: B, name: 'cache-b1' }, [['INFO', 'server']], {
        context,
        signal: context.signal,
      }),
    ).rejects.toMatchObject({ code: 'sentinel-refused' })
  }, 60_000)

  test('finds a priority that lets a passive site win, and a Redis that was left closed', async () => {
    await world.node('cache-b1').command('CONFIG', 'SET', 'replica-priority', '5')
    await world.node('cache-a1').command('CONFIG', 'SET', 'min-replicas-to-write', '1000')
    const codes = found(await observeAll(world)).map((line) => line.split(':')[0])
    await world.node('cache-b1').command('CONFIG', 'SET', 'replica-priority', '0')
    await world.node('cache-a1').command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    expect(codes).toEqual(['sentinel-left-closed', 'sentinel-passive-may-win'])
  }, 60_000)

  test('finds a Redis that no move could close: Redis ignores min-replicas-to-write with min-replicas-max-lag 0', async () => {
    const node = world.node('cache-a1')
    await node.command('CONFIG', 'SET', 'min-replicas-max-lag', '0')
    await node.command('CONFIG', 'SET', 'min-replicas-to-write', '1000')
    const taken = await node.command('SET', 'although', '1')
    const codes = found(await observeAll(world)).map((line) => line.split(':')[0])
    await node.command('CONFIG', 'SET', 'min-replicas-max-lag', '10')
    const refused = await node.command('SET', 'although', '2')
    await node.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    expect([taken, refused.split(' ')[0]]).toEqual(['OK', 'NOREPLICAS'])
    expect(codes).toEqual(['sentinel-cannot-close', 'sentinel-left-closed'])
  }, 60_000)

  test('sees a replica that is cut off and serves no stale data: it could still be promoted', async () => {
    const node = world.node('cache-b1')
    await node.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    await node.command('REPLICAOF', '127.0.0.1', '1')
    const seen = (await observeAll(world))[B]
    await node.command('CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
    expect(seen).toMatchObject({
      state: { redis: { 'cache-b1': { is: 'answering', role: 'replica', linked: false } } },
    })
  }, 60_000)

  test('finds two masters, and the Sentinels without a quorum', async () => {
    await world.node('sentinel-b').kill()
    await world.node('sentinel-c').kill()
    await world.node('cache-c1').command('REPLICAOF', 'NO', 'ONE')
    const states = await observeAll(world)
    const lines = found(states)
    expect(lines).toContainEqual(expect.stringMatching(/^sentinel-passive-master: cache-c1 of dc-c accepts writes/))
    expect(lines).toContainEqual(expect.stringMatching(/^sentinel-silent: no Sentinel of dc-b answers/))
  }, 60_000)
})
