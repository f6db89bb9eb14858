import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Finding, Intent } from '../../../../src/domain/plan.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import { assessment } from '../../../../src/drivers/redis-sentinel/assess/assess.ts'
import { followerSteps } from '../../../../src/drivers/redis-sentinel/move/follow.ts'
import { moves } from '../../../../src/drivers/redis-sentinel/move/moves.ts'
import { GROUP, type SentinelWorld, settled, startSentinels } from '../../../support/sentinel.ts'
import { A, B, C, groupOf, lostOn, type Mover, moverOf, observeAll, startLedger } from './world.ts'

const TO_B: Intent = { mode: 'failover', from: A, to: B }
const A_REJOINS: Intent = { mode: 'rejoin', from: B, to: A }
const LOST = new Set<string>([A])
const NO_STACK = {} as never
const around = (activeSite: string) =>
  ({
    now: new Date().toISOString(),
    activeSite,
    stack: { sites: [A, B, C].map((name) => ({ name })) },
  }) as unknown as Assessment

let world: SentinelWorld
beforeAll(async () => {
  world = await startSentinels({ 'dc-a': 1, 'dc-b': 2, 'dc-c': 1 })
}, 120_000)
afterAll(() => world?.stop())

const codesOf = (found: readonly Finding[] = []): string[] => found.map(({ code }) => String(code))
const blockersOf = (found: readonly Finding[] = []): string[] =>
  codesOf(found.filter(({ severity }) => severity === 'blocker'))
const namedBy = (sentinel: string): Promise<string> =>
  world.node(sentinel).command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', GROUP)
const addressOf = (name: string): string => world.node(name).address.replace(':', '\n')
const settingOf = async (name: string, setting: string): Promise<string | undefined> =>
  (await world.node(name).command('CONFIG', 'GET', setting)).split('\n')[1]

async function perform(mover: Mover, steps: Parameters<Mover['perform']>[0][]) {
  const proofs = []
  for (const step of steps) proofs.push(await mover.perform(step))
  return proofs
}

describe('a failover of a group of Redis to a site whose Sentinels are gone', () => {
  test('is refused while a Sentinel of the lost site alone answers: it would take the promotion back', async () => {
    await Promise.all([world.node('sentinel-b').kill(), world.node('sentinel-c').kill()])
    const states = await observeAll(world)
    expect(blockersOf(assessment.moves?.failover?.(groupOf(world), states, TO_B, around(A)))).toEqual([
      'sentinel-takes-back',
    ])
    // What is refused is true: the Sentinel that is left demotes a master that it did not promote.
    await world.node('cache-b1').command('REPLICAOF', 'NO', 'ONE')
    expect(await world.node('cache-b1').isMaster()).toBe(true)
    await until(
      'sentinel-a to take the promotion back',
      { deadline: 30_000, every: 200 },
      async () => !(await world.node('cache-b1').isMaster()),
    )
    world.node('sentinel-b').start()
    world.node('sentinel-c').start()
    await settled(world)
  }, 120_000)

  test('promotes the best replica without a Sentinel, and the others follow it, over a restart too', async () => {
    const ledger = startLedger(world)
    await until(
      'the first writes',
      { deadline: 10_000, every: 50 },
      async () => Number(await world.node('cache-a1').command('DBSIZE')) > 50,
    )
    await Promise.all(
      [...world.nodesOf(A), world.node('sentinel-b'), world.node('sentinel-c')].map((node) => node.kill()),
    )
    const { acknowledged } = await ledger.stop()
    const states = await observeAll(world, LOST)
    const found = assessment.moves?.failover?.(groupOf(world), states, TO_B, around(A))
    expect(blockersOf(found)).toEqual([])
    expect(codesOf(found)).toContain('sentinel-promoted-without')
    const steps = moves.failover?.(groupOf(world), states, TO_B, NO_STACK) ?? []
    expect(steps.map(({ action }) => action)).toEqual(['aim', 'promote-lost', 'unite'])
    expect(steps[1]?.title).toContain('REPLICAOF NO ONE')
    const proofs = await perform(moverOf(world, TO_B, LOST), steps)
    expect(proofs[1]).toMatchObject({ master: 'cache-b1', loss: { of: 'cache' } })
    expect(proofs[2]).toEqual({ master: 'cache-b1', sentinels: [], silent: ['sentinel-b', 'sentinel-c'] })
    await perform(moverOf(world, TO_B, LOST), followerSteps(groupOf(world), C, TO_B))
    expect(await observeAll(world, LOST)).toMatchObject({
      [B]: { role: 'active' },
      [C]: { role: 'passive', facts: [{ name: 'follows', value: 'dc-b' }] },
    })
    expect(await world.node('cache-b1').command('SET', 'after', '1')).toBe('OK')
    expect((await lostOn(world, 'cache-b1', acknowledged)).length).toBeLessThan(50)
    expect(readFileSync(world.node('cache-b1').configFile, 'utf8')).not.toMatch(/^replicaof/m)
    expect(readFileSync(world.node('cache-b2').configFile, 'utf8')).toMatch(
      new RegExp(`^replicaof ${addressOf('cache-b1').replace('\n', ' ')}$`, 'm'),
    )
  }, 120_000)

  test('may be begun again at each step, and changes nothing more', async () => {
    const states = await observeAll(world, LOST)
    const steps = moves.failover?.(groupOf(world), states, TO_B, NO_STACK) ?? []
    const [aim, promote, unite] = await perform(moverOf(world, TO_B, LOST), steps)
    expect(aim).toEqual({ sentinel: null })
    expect(promote).toMatchObject({ master: 'cache-b1' })
    expect(unite).toMatchObject({ master: 'cache-b1' })
  }, 60_000)

  test('has a rejoin that leads a Sentinel of before to the new master, with a newer epoch and its own settings', async () => {
    world.node('sentinel-b').start()
    await until(
      'sentinel-b to answer with the master of before',
      { deadline: 20_000, every: 100 },
      async () => (await namedBy('sentinel-b').catch(() => '')) === addressOf('cache-a1'),
    )
    const states = await observeAll(world, LOST)
    expect(codesOf(assessment.status(groupOf(world), states, around(B)))).toContain('sentinel-names-another')
    const steps = moves.rejoin?.(groupOf(world), states, A_REJOINS, NO_STACK) ?? []
    expect(steps.map(({ action, site }) => [action, site])).toEqual([
      ['unite', B],
      ['start', A],
      ['follow', A],
    ])
    const [united] = steps.slice(0, 1)
    if (united === undefined) throw new Error('no step')
    // Its own site is still away.
    const parameters = { ...united.parameters, by: [B, C] }
    await perform(moverOf(world, A_REJOINS, LOST), [{ ...united, parameters }])
    expect(await world.node('cache-b1').isMaster()).toBe(true)
    expect(await namedBy('sentinel-b')).toBe(addressOf('cache-b1'))
    expect(await settingOf('cache-b2', 'replica-priority')).toBe(
      String(world.spec.sites[B]?.redis['cache-b2']?.priority ?? 100),
    )
    const about = await world.node('sentinel-b').command('SENTINEL', 'MASTER', GROUP)
    expect(about).toMatch(/^down-after-milliseconds\n3000$/m)
    expect(about).toMatch(/^config-epoch\n[1-9]\d*$/m)
  }, 120_000)

  test('keeps its master when the old one comes back with a Sentinel that names it', async () => {
    const before = world.node('cache-b1').log().length
    for (const node of [...world.nodesOf(A), world.node('sentinel-c')]) node.start()
    for (const sentinel of ['sentinel-a', 'sentinel-c'])
      await until(
        `${sentinel} to name cache-b1`,
        { deadline: 30_000, every: 200 },
        async () => (await namedBy(sentinel).catch(() => '')) === addressOf('cache-b1'),
      )
    await until(
      'cache-a1 to follow',
      { deadline: 40_000, every: 200 },
      async () => !(await world.node('cache-a1').isMaster()),
    )
    expect(world.node('cache-b1').log().slice(before)).not.toMatch(/Before turning into a replica|REPLICAOF/)
    expect(await world.node('cache-b1').isMaster()).toBe(true)
    expect(await world.node('cache-a1').command('GET', 'after')).toBe('1')
  }, 120_000)

  test('asks a Sentinel of a third site where one reaches the new site', async () => {
    await settled(world)
    const intent: Intent = { mode: 'failover', from: B, to: A }
    await Promise.all([...world.nodesOf(B), world.node('sentinel-a')].map((node) => node.kill()))
    const lost = new Set<string>([B])
    const states = await observeAll(world, lost)
    const found = assessment.moves?.failover?.(groupOf(world), states, intent, around(B))
    expect(blockersOf(found)).toEqual([])
    expect(codesOf(found)).not.toContain('sentinel-promoted-without')
    const steps = moves.failover?.(groupOf(world), states, intent, NO_STACK) ?? []
    expect(steps.map(({ action }) => action)).toEqual(['aim', 'promote-lost', 'settle'])
    expect(steps[1]?.title).toContain('Asks Sentinel of dc-c')
    await perform(moverOf(world, intent, lost), steps)
    expect(await world.node('cache-a1').isMaster()).toBe(true)
    expect(await namedBy('sentinel-c')).toBe(addressOf('cache-a1'))
  }, 120_000)
})
