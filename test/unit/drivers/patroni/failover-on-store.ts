import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverStep } from '../../../../src/driver/action.ts'
import { assessStatus } from '../../../../src/drivers/patroni/assess/assess.ts'
import { fenceSteps } from '../../../../src/drivers/patroni/failover/fence.ts'
import { predictedLoss } from '../../../../src/drivers/patroni/failover/loss.ts'
import { failoverSteps } from '../../../../src/drivers/patroni/failover/promote-lost.ts'
import { followStep } from '../../../../src/drivers/patroni/move/follow.ts'
import { rejoinSteps } from '../../../../src/drivers/patroni/rejoin/rejoin.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import {
  LOGIN,
  type PatroniNode,
  type PatroniSiteOfTest,
  type PatroniWorld,
  startPatroni,
} from '../../../support/patroni.ts'
import { type PatroniStack, patroniStack } from '../../../support/patroni-move.ts'
import type { StartStores } from '../../../support/patroni-store.ts'

const [A, B] = ['dc-a', 'dc-b'] as [SiteName, SiteName]
const failover = (from: SiteName, to: SiteName): Intent => ({ mode: 'failover', from, to })
const rejoin = (from: SiteName, to: SiteName): Intent => ({ mode: 'rejoin', from, to })

export function testFailover(startStores: StartStores): void {
  let world: PatroniWorld
  let stack: PatroniStack
  beforeAll(async () => {
    world = await startPatroni(startStores, { 'dc-a': ['pg-a1', 'pg-a2'], 'dc-b': ['pg-b1', 'pg-b2'] })
    stack = patroniStack(world)
    await world.site(A).node('pg-a1').sql('CREATE TABLE ledger (id int PRIMARY KEY)')
  }, 180_000)
  afterAll(() => world?.stop(), 60_000)

  const around = (activeSite: SiteName) => ({
    now: new Date().toISOString(),
    objectives: stack.stack.objectives,
    activeSite,
    stack: stack.stack,
  })
  const actionsOf = (steps: readonly DriverStep[]): string[] => steps.map(({ action }) => action)

  async function leaderOf(site: SiteName): Promise<PatroniNode> {
    const seen = (await stack.observe())[site]
    const members = seen?.kind === 'answering' ? Object.values(seen.state.members) : []
    const leader = members.find(
      (one) => one.is === 'answering' && (one.writesAt !== null || one.role === 'standby_leader'),
    )
    if (leader?.is !== 'answering') throw new Error(`${site} has no leader`)
    return world.site(site).node(leader.name)
  }
  const add = (node: PatroniNode, from: number, to: number): Promise<string> =>
    node.sql(`INSERT INTO ledger SELECT generate_series(${from}, ${to})`)
  const rowsOn = async (node: PatroniNode): Promise<string> =>
    node.sql('SELECT count(*), coalesce(max(id), 0) FROM ledger')

  /** Rows that the primary acknowledges, and that no other site receives; then every process of the site is killed. */
  async function loseWithRows(lost: PatroniSiteOfTest, other: SiteName, from: number, to: number): Promise<void> {
    const [primary, follower] = [await leaderOf(lost.name as SiteName), await leaderOf(other)]
    const receiver = Number(await follower.sql('SELECT pid FROM pg_stat_wal_receiver'))
    process.kill(receiver, 'SIGSTOP')
    try {
      await add(primary, from, to)
      await lost.kill()
    } finally {
      // It ends before it reads what the kernel has received for it meanwhile.
      process.kill(receiver, 'SIGTERM')
      process.kill(receiver, 'SIGCONT')
    }
  }
  async function promote(intent: Intent): Promise<JsonObject> {
    const [step] = failoverSteps(stack.component, await stack.observe(), intent)
    if (step === undefined) throw new Error('no promotion')
    return stack.perform(step, intent)
  }
  async function performAll(steps: readonly DriverStep[], intent: Intent): Promise<Map<string, JsonObject>> {
    const proofs = new Map<string, JsonObject>()
    for (const step of steps) proofs.set(step.action, await stack.perform(step, intent))
    return proofs
  }
  /** Asks PostgreSQL itself, time and again, whether any member of a site accepts writes. */
  function watchForWriters(site: PatroniSiteOfTest): { end(): Promise<number> } {
    let [writable, ended] = [0, false]
    const last = Date.now() + 120_000
    const watch = async (node: PatroniNode): Promise<void> => {
      while (!ended && Date.now() < last) {
        const answer = await node.sql('SELECT pg_is_in_recovery()').catch(() => 'silent')
        if (answer === 'false') writable += 1
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
    const watches = site.nodes.map(watch)
    return {
      async end() {
        ended = true
        await Promise.all(watches)
        return writable
      },
    }
  }

  describe('a failover between Patroni clusters', () => {
    test('promotes the other site when one is killed, and its loss is counted in the rows that the lost site kept', async () => {
      await add(await leaderOf(A), 1, 100)
      const follower = await leaderOf(B)
      await until(
        'the rows to arrive',
        { deadline: 10_000, every: 50 },
        async () => (await rowsOn(follower)) === '100|100',
      )
      await loseWithRows(world.site(A), B, 101, 150)
      const states = await stack.observe()
      expect(states[A]?.kind).toBe('silent')
      const predicted = predictedLoss(stack.component, states, failover(A, B), new Date().toISOString())
      expect(predicted).toMatchObject({ bytes: [0, null] })
      expect(Number(predicted?.seconds[1])).toBeLessThan(60)
      const proof = await promote(failover(A, B))
      expect(proof).toMatchObject({
        writable: true,
        timeline: 2,
        forkedFrom: 1,
        loss: { of: 'writes', bytes: [0, null] },
      })
      expect(await rowsOn(await leaderOf(B))).toBe('100|100')
      await add(await leaderOf(B), 1001, 1010)
    }, 90_000)

    test('a primary that comes back by itself on the same number of a timeline never counts as following', async () => {
      const site = world.site(A)
      await site.store.start()
      await Promise.all(site.nodes.map((node) => node.start()))
      await until('the lost site to be a primary again', { deadline: 90_000, every: 200 }, async () => {
        const seen = (await stack.observe())[A]
        return seen?.kind === 'answering' && seen.role === 'active'
      })
      const found = assessStatus(stack.component, await stack.observe(), around(B)).map(({ code }) => String(code))
      expect(found).toContain('patroni-passive-writable')
      // What a person would do by hand: the site is made to follow, and Patroni calls that done.
      const [first] = site.nodes
      await fetch(`http://127.0.0.1:${first?.restPort}/config`, {
        method: 'PATCH',
        headers: { authorization: `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}` },
        body: JSON.stringify({ standby_cluster: (await standbyOf(A, B)) ?? null }),
      })
      await until('Patroni to call it a standby leader', { deadline: 60_000, every: 200 }, async () =>
        (await Promise.all(site.nodes.map((node) => node.status()))).some(
          (one) => one?.role === 'standby_leader' && one.state === 'running',
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 8_000))
      // On a busy machine PostgreSQL does not answer its Patroni at each moment.
      const leader = await until('a leader of the former site', { deadline: 60_000, every: 200 }, async () =>
        leaderOf(A).catch(() => undefined),
      )
      expect((await leader.status())?.timeline).toBe((await (await leaderOf(B)).status())?.timeline)
      // It kept the rows that no other site has, and lacks those of the active site.
      expect(await rowsOn(leader)).toBe('150|150')
      const performer = stack.performer(followStep(stack.component, A, B, 'GREEN'), rejoin(B, A))
      expect((await performer.look(false)).is).not.toBe('done')
      performer.close()
      expect(assessStatus(stack.component, await stack.observe(), around(B)).map(({ code }) => String(code))).toContain(
        'patroni-history-forked',
      )
    }, 180_000)

    test('a rejoin of a site whose history parted keeps its rows, names them, and copies it anew', async () => {
      const steps = rejoinSteps(stack.component, await stack.observe(), rejoin(B, A))
      expect(actionsOf(steps)).toEqual(['fence', 'keep-evidence', 'enroll', 'wipe', 'start', 'follow'])
      const watch = watchForWriters(world.site(A))
      const proofs = await performAll(steps, rejoin(B, A)).finally(() =>
        watch.end().then((seen) => expect(seen).toBe(0)),
      )
      // Committed on the lost site alone: 50 rows in one transaction.
      expect(proofs.get('keep-evidence')).toMatchObject({
        found: { rows: [50, 50], commits: [1, 1], tables: [{ table: 'ledger', inserted: 50 }] },
      })
      expect(await rowsOn(await leaderOf(A))).toBe('110|1010')
      expect((await stack.observe())[A]).toMatchObject({ role: 'passive', state: { follows: B } })
    }, 180_000)

    test('a rejoin of a site whose Patroni is stopped writes its configuration first, and rewinds it: it never writes', async () => {
      await until('both sites to be well', { deadline: 60_000, every: 300 }, async () =>
        Object.values(await stack.observe()).every((one) => one.kind === 'answering' && one.health === 'healthy'),
      )
      await loseWithRows(world.site(B), A, 2001, 2020)
      await promote(failover(B, A))
      await add(await leaderOf(A), 3001, 3005)
      await world.site(B).store.start()
      const steps = rejoinSteps(stack.component, await stack.observe(), rejoin(A, B))
      expect(actionsOf(steps)).toEqual(['fence', 'keep-evidence', 'enroll', 'start', 'follow'])
      const watch = watchForWriters(world.site(B))
      const proofs = await performAll(steps, rejoin(A, B)).finally(() =>
        watch.end().then((seen) => expect(seen).toBe(0)),
      )
      expect(proofs.get('keep-evidence')).toMatchObject({ found: { rows: [20, 20], commits: [1, 1] } })
      expect(world.site(B).nodes.some((node) => node.log().includes('running pg_rewind'))).toBe(true)
      await until(
        'its rows to be those of the active site',
        { deadline: 30_000, every: 200 },
        async () => (await rowsOn(await leaderOf(B))) === '115|3005',
      )
    }, 180_000)

    test('a fence on a site that still answers stops every host, and then the loss is exact', async () => {
      await until('both sites to be well', { deadline: 60_000, every: 300 }, async () =>
        Object.values(await stack.observe()).every((one) => one.kind === 'answering' && one.health === 'healthy'),
      )
      const intent = failover(A, B)
      const states = await stack.observe()
      const [fencing] = fenceSteps(stack.component, states, intent)
      const [promotion] = failoverSteps(stack.component, states, intent)
      if (fencing === undefined || promotion === undefined) throw new Error('no fence')
      const fenced = await stack.perform(fencing, intent)
      expect(fenced).toMatchObject({ stopped: ['pg-a1', 'pg-a2'], state: 'shut down' })
      const folders = world.site(A).nodes.map(({ data }) => data)
      const left = execFileSync('ps', ['-eo', 'args']).toString()
      expect(folders.filter((folder) => left.includes(folder))).toEqual([])
      expect(await stack.perform(promotion, intent)).toMatchObject({ loss: { bytes: [0, 0], seconds: [0, 0] } })
      const back = rejoinSteps(stack.component, await stack.observe(), rejoin(B, A))
      expect(actionsOf(back)).toEqual(['fence', 'keep-evidence', 'enroll', 'start', 'follow'])
      await performAll(back, rejoin(B, A))
      expect((await stack.observe())[A]).toMatchObject({ role: 'passive', state: { follows: B } })
    }, 180_000)
  })

  async function standbyOf(site: SiteName, followed: SiteName): Promise<JsonObject> {
    const nodes = world.site(followed).nodes
    return {
      host: nodes.map(() => '127.0.0.1').join(','),
      port: nodes.map(({ port }) => port).join(','),
      primary_slot_name: site.replaceAll('-', '_'),
      create_replica_methods: ['basebackup'],
    }
  }
}
