import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { MeasuredLoss } from '../../../../src/driver/proofs.ts'
import { assessment } from '../../../../src/drivers/redis-sentinel/assess/assess.ts'
import { lossOf } from '../../../../src/drivers/redis-sentinel/loss.ts'
import { fenceSteps } from '../../../../src/drivers/redis-sentinel/move/close.ts'
import { moves } from '../../../../src/drivers/redis-sentinel/move/moves.ts'
import { type SentinelWorld, startSentinels } from '../../../support/sentinel.ts'
import { A, B, C, groupOf, lostOn, moverOf, observeAll, startLedger } from './world.ts'

const FAILOVER: Intent = { mode: 'failover', from: A, to: B }
const REJOIN: Intent = { mode: 'rejoin', from: B, to: A }
const NO_STACK = {} as never

let world: SentinelWorld
beforeAll(async () => {
  world = await startSentinels({ 'dc-a': 2, 'dc-b': 1, 'dc-c': 1 })
}, 120_000)
afterAll(() => world?.stop())

const around = (activeSite: string) => ({
  now: new Date().toISOString(),
  objectives: { backupAge: 0, restoreTime: 0 } as never,
  activeSite,
  stack: { sites: [A, B, C].map((name) => ({ name })) } as never,
})
const blockersOf = (found: readonly { readonly severity: string; readonly code: unknown }[] = []): string[] =>
  found.flatMap(({ severity, code }) => (severity === 'blocker' ? [String(code)] : []))

describe('a failover of a group of Redis under Sentinel', () => {
  test('works with the one Sentinel that is left of three, reaches nothing of the lost site, and counts the loss', async () => {
    const ledger = startLedger(world)
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (const node of [...world.nodesOf(A), world.node('sentinel-c')]) await node.kill()
    const { acknowledged } = await ledger.stop()
    const cut = new Set<string>([A])
    const states = await observeAll(world, cut)
    expect(states[A]?.kind).toBe('silent')
    expect(blockersOf(assessment.moves?.failover?.(groupOf(world), states, FAILOVER, around(A)))).toEqual([])
    const predicted = lossOf(groupOf(world), states, FAILOVER)
    const mover = moverOf(world, FAILOVER, cut)
    const steps = moves.failover?.(groupOf(world), states, FAILOVER, NO_STACK) ?? []
    const proofs = []
    for (const step of steps) proofs.push(await mover.perform(step))
    expect(await world.node('cache-b1').isMaster()).toBe(true)
    expect(await world.node('cache-b1').command('SET', 'after', '1')).toBe('OK')
    const loss = proofs[1]?.loss as unknown as MeasuredLoss
    expect(loss).toMatchObject({ of: 'cache', bytes: [0, null] })
    // All that was lost was acknowledged within the predicted time.
    const lost = await lostOn(world, 'cache-b1', acknowledged)
    expect(lost.length).toBeLessThan(50)
    expect(predicted?.seconds[1]).not.toBeNull()
    // The third site follows by Sentinel, and the step waits for it.
    await world.node('sentinel-c').start()
    for (const step of moves.follow?.(groupOf(world), C, FAILOVER, NO_STACK) ?? []) await mover.perform(step)
    expect((await observeAll(world, cut))[C]).toMatchObject({ role: 'passive', facts: [{ value: 'dc-b' }] })
  }, 120_000)

  test('has a rejoin that closes the returning master, before it leads it to the active site', async () => {
    const returned = Date.now()
    for (const node of world.nodesOf(A)) node.start()
    await until('cache-a1 to be back', { deadline: 10_000, every: 20 }, () => world.node('cache-a1').isMaster())
    // It is a second master until Sentinel sees it: this is what the guard must prevent.
    const stray = await world.node('cache-a1').command('SET', 'stray', '1')
    const states = await observeAll(world)
    expect(stray).toBe('OK')
    const found = assessment.moves?.rejoin?.(groupOf(world), states, REJOIN, around(B)) ?? []
    expect(blockersOf(found)).toEqual([])
    expect(found.map(({ code }) => String(code))).toContain('sentinel-former-master')
    const mover = moverOf(world, REJOIN)
    const steps = moves.rejoin?.(groupOf(world), states, REJOIN, NO_STACK) ?? []
    expect(steps.map(({ action }) => action)).toEqual(['shut', 'follow'])
    for (const step of steps) await mover.perform(step)
    expect(Date.now() - returned).toBeLessThan(60_000)
    expect(await observeAll(world)).toMatchObject({
      [A]: { role: 'passive', facts: [{ name: 'follows', value: 'dc-b' }] },
      [B]: { role: 'active' },
    })
    expect(await world.node('cache-a1').command('GET', 'stray')).toBe('')
    expect(await world.node('cache-a1').command('CONFIG', 'GET', 'replica-priority')).toBe('replica-priority\n0')
    expect(await world.node('cache-a1').command('CONFIG', 'GET', 'min-replicas-to-write')).toBe(
      'min-replicas-to-write\n0',
    )
  }, 120_000)

  test('survives a restart of the former site: its files lead to the active one', async () => {
    await restartA()
    expect(await world.node('cache-a1').isMaster()).toBe(false)
  }, 60_000)

  test('starts a former master that is stopped as a replica: it accepts no write at any time', async () => {
    for (const node of world.nodesOf(A)) await node.kill()
    // As a power cut leaves the file of a master.
    const { configFile } = world.node('cache-a1')
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace(/^replicaof .*$/m, ''))
    const states = await observeAll(world)
    expect(states[A]?.kind).toBe('silent')
    expect(blockersOf(assessment.moves?.rejoin?.(groupOf(world), states, REJOIN, around(B)))).toEqual([])
    const steps = moves.rejoin?.(groupOf(world), states, REJOIN, NO_STACK) ?? []
    expect(steps.map(({ action }) => action)).toEqual(['start', 'follow'])
    const mover = moverOf(world, REJOIN)
    for (const step of steps) await mover.perform(step)
    expect(await world.node('cache-a1').isMaster()).toBe(false)
    expect(world.node('cache-a1').log().split('Server initialized').at(-1)).not.toMatch(/MASTER MODE enabled/)
    expect(world.node('cache-a1').log().split('Server initialized').at(-1)).toMatch(/MASTER <-> REPLICA sync/)
  }, 120_000)

  test('fences a lost site that still answers so that it stays closed over a restart', async () => {
    const intent: Intent = { mode: 'failover', from: B, to: A }
    const [fence] = fenceSteps(groupOf(world), await observeAll(world), intent)
    if (fence === undefined) throw new Error('no fence')
    const mover = moverOf(world, intent)
    const proof = await mover.perform(fence)
    expect(proof).toMatchObject({ master: 'cache-b1' })
    await world.node('cache-b1').kill()
    world.node('cache-b1').start()
    await until('cache-b1 to be back', { deadline: 10_000, every: 20 }, () => world.node('cache-b1').isMaster())
    expect(await world.node('cache-b1').command('SET', 'closed', '1')).toMatch(/^NOREPLICAS/)
    await mover.takeBack(fence)
    expect(await world.node('cache-b1').command('SET', 'open', '1')).toBe('OK')
  }, 60_000)

  async function restartA(): Promise<void> {
    for (const node of world.nodesOf(A)) await node.kill()
    for (const node of world.nodesOf(A)) node.start()
    await until(
      'cache-a1 to answer',
      { deadline: 10_000, every: 50 },
      async () =>
        (await world
          .node('cache-a1')
          .command('PING')
          .catch(() => '')) === 'PONG',
    )
  }
})
