import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverStep } from '../../../../src/driver/action.ts'
import { patroni } from '../../../../src/drivers/patroni/driver.ts'
import { demotionOf } from '../../../../src/drivers/patroni/move/demote.ts'
import { followerSteps } from '../../../../src/drivers/patroni/move/redirect.ts'
import { switchoverSteps } from '../../../../src/drivers/patroni/move/switchover.ts'
import { askMembers } from '../../../../src/drivers/patroni/observe.ts'
import { type PatroniWorld, startPatroni, writeLedger } from '../../../support/patroni.ts'
import { type PatroniStack, patroniStack } from '../../../support/patroni-move.ts'
import type { StartStores } from '../../../support/patroni-store.ts'

const [A, B, C] = ['dc-a', 'dc-b', 'dc-c'] as [SiteName, SiteName, SiteName]
const TO_B: Intent = { mode: 'switchover', from: A, to: B }
const TO_A: Intent = { mode: 'switchover', from: B, to: A }

export function testSwitchover(startStores: StartStores): void {
  let world: PatroniWorld
  let stack: PatroniStack
  beforeAll(async () => {
    world = await startPatroni(startStores, {
      'dc-a': ['pg-a1', 'pg-a2'],
      'dc-b': ['pg-b1', 'pg-b2'],
      'dc-c': ['pg-c1'],
    })
    stack = patroniStack(world)
    await world.site(A).node('pg-a1').sql('CREATE TABLE ledger (id int PRIMARY KEY, at timestamptz DEFAULT now())')
  }, 300_000)
  afterAll(() => world?.stop(), 60_000)

  const stepsOf = async (intent: Intent): Promise<DriverStep[]> =>
    switchoverSteps(stack.component, await stack.observe(), intent)
  const named = (steps: readonly DriverStep[], action: string): DriverStep => {
    const step = steps.find((one) => one.action === action)
    if (step === undefined) throw new Error(`no step ${action}`)
    return step
  }
  async function move(intent: Intent): Promise<void> {
    for (const step of await stepsOf(intent)) await stack.perform(step, intent)
  }

  describe('a switchover between Patroni clusters', () => {
    test('is carried out to and fro under writes: no acknowledged write is lost, and the third site follows', async () => {
      const writer = writeLedger(world.sites.slice(0, 2).flatMap(({ nodes }) => nodes))
      await move(TO_B)
      for (const step of followerSteps(stack.component, C, TO_B)) await stack.perform(step, TO_B)
      const seen = await stack.observe()
      expect(seen).toMatchObject({
        [A]: { role: 'passive', state: { follows: B } },
        [B]: { role: 'active', state: { follows: null } },
        [C]: { role: 'passive', state: { follows: B } },
      })
      await move(TO_A)
      for (const step of followerSteps(stack.component, C, TO_A)) await stack.perform(step, TO_A)
      const { acknowledged, longestGap } = await writer.stop()
      const rows = await world
        .site(A)
        .node(await leaderOf(A))
        .sql('SELECT id FROM ledger')
      const kept = new Set(rows.split('\n').map(Number))
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
      expect(acknowledged.length).toBeGreaterThan(50)
      // The shutdown of PostgreSQL and its start as a standby: 6.3 s on a busy machine.
      expect(longestGap).toBeLessThan(30_000)
    }, 180_000)

    test('answers a question in SQL on both sites: a failover reads the identity of the application on the passive one', async () => {
      const inRecovery = (site: SiteName) =>
        patroni.database?.sql(stack.component, site, 'SELECT pg_is_in_recovery()', stack.context)
      expect(await inRecovery(A)).toEqual([['f']])
      expect(await inRecovery(B)).toEqual([['t']])
    }, 60_000)

    test('counts a member that is called standby_leader for a writer as long as PostgreSQL accepts writes', async () => {
      const step = named(await stepsOf(TO_B), 'demote')
      const performer = stack.performer(step, TO_B)
      try {
        await untilDue(step)
        await performer.look(false)
        await performer.apply()
        let calledStandby = 0
        for (;;) {
          const [cluster, members] = await Promise.all([
            world.site(A).cluster(),
            askMembers(stack.component, A, stack.context, { signal: AbortSignal.timeout(10_000) }),
          ])
          const judged = demotionOf(members, ['pg-a1', 'pg-a2'])
          if (judged.is === 'done') break
          const isCalled = JSON.stringify(cluster).includes('standby_leader')
          if (isCalled) calledStandby += 1
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        // Otherwise this test saw nothing of what it is about.
        expect(calledStandby).toBeGreaterThan(0)
        for (const node of world.site(A).nodes) expect(await node.sql('SELECT pg_is_in_recovery()')).toBe('true')
        await performer.takeBack()
      } finally {
        performer.close()
      }
      expect((await stack.observe())[A]).toMatchObject({ role: 'active', state: { follows: null } })
    }, 120_000)

    test('has the old primary for demoted once its PostgreSQL has ended, where a standby shows its end later', async () => {
      const step = named(await stepsOf(TO_B), 'demote')
      const { endedAt, leader } = await stack.perform(step, TO_B)
      const primary = (await askMembers(stack.component, A, stack.context, { signal: AbortSignal.timeout(10_000) }))[
        String(leader)
      ]
      expect(primary).toMatchObject({ is: 'answering', writesAt: null, receivedAt: null })
      const members = await untilAllInRecovery()
      expect(demotionOf(members, ['pg-a1', 'pg-a2'])).toMatchObject({ is: 'done', proof: { endedAt } })
      await stack.takeBack(step, TO_B)
    }, 120_000)

    test('does not count a demotion while the Patroni of another member hangs, or PostgreSQL does not end', async () => {
      const writer = await leaderOf(A)
      const other = writer === 'pg-a1' ? 'pg-a2' : 'pg-a1'
      const step = named(await stepsOf(TO_B), 'demote')
      const performer = stack.performer(step, TO_B)
      const seen = async (): Promise<string> => {
        const now = await stack.versioned(step, TO_B).done()
        return now.is === 'pending' ? now.waitingFor : now.is
      }
      const checkpointer = await world
        .site(A)
        .node(writer)
        .sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
      const patroni = readFileSync(join(world.site(A).node(other).folder, 'pid'), 'utf8').trim()
      const held = [Number(checkpointer), Number(patroni)]
      try {
        await untilDue(step)
        await performer.look(false)
        for (const pid of held) process.kill(pid, 'SIGSTOP')
        await performer.apply()
        await new Promise((resolve) => setTimeout(resolve, 2_000))
        expect(await seen()).toMatch(/to be seen in recovery$/)
        process.kill(Number(checkpointer), 'SIGCONT')
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        expect(await seen()).toContain(other)
        process.kill(Number(patroni), 'SIGCONT')
        expect(await performer.wait()).toMatchObject({ timeline: expect.any(Number) })
        await performer.takeBack()
      } finally {
        for (const pid of held) goOn(pid)
        performer.close()
      }
    }, 120_000)

    test('ends before users notice where the REST API refuses the login of the move', async () => {
      const stranger = patroniStack(world, { user: 'patroni', password: 'wrong' })
      const step = named(await stepsOf(TO_B), 'checkpoint')
      await expect(stranger.perform(step, TO_B)).rejects.toMatchObject({ code: 'patroni-refused' })
      expect((await stack.observe())[A]).toMatchObject({ role: 'active' })
    }, 60_000)

    test('undoes a demotion before the promotion: the old site writes again, and the other one follows it on', async () => {
      const steps = await stepsOf(TO_B)
      const before = await stack.perform(named(steps, 'demote'), TO_B)
      const proof = await stack.takeBack(named(steps, 'demote'), TO_B)
      expect(Number(proof.timeline)).toBeGreaterThan(Number(before.timeline))
      await world
        .site(A)
        .node(await leaderOf(A))
        .sql('CREATE TABLE after_undo (id int)')
      const again = await stack.perform(named(await stepsOf(TO_B), 'checkpoint'), TO_B)
      expect(Number(again.replayedAt)).toBeGreaterThan(Number(before.endedAt))
    }, 120_000)

    test('a write of a process that lost the move is refused once its configuration was touched', async () => {
      const step = named(await stepsOf(TO_B), 'demote')
      const [dead, other] = [stack.versioned(step, TO_B), stack.versioned(step, TO_B)]
      const seen = await dead.done()
      if (seen.is !== 'pending' || seen.due === undefined) throw new Error('the demotion is not due')
      const config = await world.site(A).config()
      await other.invalidate()
      await expect(dead.apply(seen.due)).rejects.toMatchObject({ code: 'patroni-store-changed', retry: 'conflict' })
      expect(await world.site(A).config()).toEqual(config)
      expect((await stack.observe())[A]).toMatchObject({ role: 'active' })
    }, 60_000)
  })

  /** Lets a process go on that may have ended. */
  function goOn(pid: number): void {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It has ended, as a checkpointer does with its server.
    }
  }

  /** What the members of the old site say once the primary is back as a standby. */
  /** The other member follows its primary again some time after a demotion was taken back: until then nothing is due. */
  const untilDue = (step: DriverStep) =>
    until('the demotion to be due', { deadline: 60_000, every: 200 }, async () => {
      const now = await stack.versioned(step, TO_B).done()
      return now.is === 'pending' && now.due !== undefined
    })

  const untilAllInRecovery = () =>
    until('all members to be in recovery', { deadline: 60_000, every: 200 }, async () => {
      const members = await askMembers(stack.component, A, stack.context, { signal: AbortSignal.timeout(10_000) })
      return demotionOf(members, Object.keys(members)).is === 'done' ? members : undefined
    })

  async function leaderOf(site: SiteName): Promise<string> {
    const seen = (await stack.observe())[site]
    const found =
      seen?.kind === 'answering'
        ? Object.values(seen.state.members).find((one) => one.is === 'answering' && one.writesAt !== null)
        : undefined
    if (found?.is !== 'answering') throw new Error(`${site} has no primary`)
    return found.name
  }
}
