import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { World } from '../../../../src/composition/connect.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { demoteStep, demotionOf } from '../../../../src/drivers/patroni/move/demote.ts'
import { executeMove } from '../../../../src/execution/execute-move.ts'
import { progressTo } from '../../../../src/execution/progress.ts'
import { planFailover } from '../../../../src/operations/plan-failover.ts'
import { staleFacts } from '../../../../src/planning/facts.ts'
import { createActive } from '../../../../src/witness/active.ts'
import { memoryStore } from '../../../support/memory-store.ts'
import { LOGIN, type PatroniWorld, startPatroni, writeLedger } from '../../../support/patroni.ts'
import { type PatroniStack, patroniStack } from '../../../support/patroni-move.ts'
import type { StartStores } from '../../../support/patroni-store.ts'

const [A, B] = ['dc-a', 'dc-b'] as [SiteName, SiteName]

export function testResume(startStores: StartStores): void {
  let world: PatroniWorld
  let stack: PatroniStack
  beforeAll(async () => {
    world = await startPatroni(startStores, { 'dc-a': ['pg-a1', 'pg-a2'], 'dc-b': ['pg-b1'] })
    stack = patroniStack(world)
    await world.site(A).node('pg-a1').sql('CREATE TABLE ledger (id int PRIMARY KEY, at timestamptz DEFAULT now())')
  }, 180_000)
  afterAll(() => world?.stop(), 60_000)

  /** Patroni's own switchover inside a site. */
  const switchInside = (site: SiteName, leader: string, candidate: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${world.site(site).node(leader).restPort}/switchover`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}` },
      body: JSON.stringify({ leader, candidate }),
    })
  const writes = async (node: string): Promise<boolean> => {
    const status = await world.site(A).node(node).status()
    return status?.role === 'primary' && status.state === 'running'
  }

  const allWell = (): Promise<unknown> =>
    until('all clusters to be well', { deadline: 60_000, every: 300 }, async () =>
      Object.values(await stack.observe()).every((one) => one.kind === 'answering' && one.health === 'healthy'),
    )

  describe('a move of Patroni clusters', () => {
    test('a plan that was made before a switchover inside the active site is stale, and says what changed', async () => {
      const runner = await stack.world()
      const before = await planFailover(runner, { mode: 'switchover', to: B })
      expect(before.plan.findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
      await switchInside(A, 'pg-a1', 'pg-a2')
      await until('pg-a2 to be the primary', { deadline: 40_000, every: 200 }, () => writes('pg-a2'))
      await allWell()
      const after = await planFailover(runner, { mode: 'switchover', to: B })
      expect(staleFacts(before.plan.facts, after.plan.facts)).toEqual([
        { fact: 'database@dc-a primary', planned: 'pg-a1', now: 'pg-a2' },
        { fact: 'database@dc-a timeline', planned: '1', now: '2' },
      ])
    }, 120_000)

    test('a demotion amid a switchover inside the site waits for its end, and ends itself', async () => {
      const intent = { mode: 'switchover', from: A, to: B } as const
      const step = demoteStep(stack.component, intent, ['pg-a1', 'pg-a2'])
      const inside = switchInside(A, 'pg-a2', 'pg-a1')
      await until(
        'the primary to be on its way down',
        { deadline: 20_000, every: 20 },
        async () => !(await writes('pg-a2')),
      )
      const seen = await stack.versioned(step, intent).done()
      expect(seen).toMatchObject({ is: 'pending' })
      expect('due' in seen ? seen.due : undefined).toBeUndefined()
      await stack.perform(step, intent)
      await inside
      await stack.takeBack(step, intent)
      const state = (await stack.observe())[A]
      expect(state).toMatchObject({ role: 'active' })
      expect(demotionOf(state?.kind === 'answering' ? state.state.members : {}, ['pg-a1', 'pg-a2']).is).toBe('pending')
    }, 120_000)

    test('goes on where its runner was killed at the promotion: one writer, and no acknowledged write lost', async () => {
      await allWell()
      const writer = writeLedger(world.sites.flatMap(({ nodes }) => nodes))
      const witness = memoryStore()
      await createActive(witness, {
        schemaVersion: 1,
        stack: stack.stack.name,
        epoch: 1,
        activeSite: A,
        since: new Date().toISOString(),
        run: 'deploy',
      })
      const first = await stack.world(witness)
      const { plan, digest } = await planFailover(first, { mode: 'switchover', to: B })
      const perform = (as: World, how: 'begin' | 'resume') =>
        executeMove({
          plan,
          digest,
          run: 'r1',
          how,
          store: as.store,
          drivers: as.drivers,
          context: { ...as.context },
          clock: as.clock,
          progress: progressTo(as.log, as.clock, () => undefined),
          signal: as.signal,
        })
      // The write that promotes is its last one: its answer is never heard.
      const { http } = first.context
      const killed = { ...first.context } as { -readonly [Name in keyof World['context']]: World['context'][Name] }
      const promoted = new Promise<void>((resolve) => {
        killed.http = async (request, reach) => {
          const written = world.site(B).store.configIn(request)
          const answer = http(request, reach)
          if (written === null || 'standby_cluster' in written) return answer
          await answer
          first.die()
          resolve()
          return new Promise<never>(() => undefined)
        }
      })
      void perform({ ...first, context: killed }, 'begin').catch(() => undefined)
      await promoted
      const outcome = await perform(await stack.world(witness), 'resume')
      expect(outcome).toMatchObject({ failure: null, committed: true })
      const { acknowledged } = await writer.stop()
      const primary = world.site(B).node('pg-b1')
      const kept = new Set((await primary.sql('SELECT id FROM ledger')).split('\n').map(Number))
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
      expect(await stack.observe()).toMatchObject({ [A]: { role: 'passive' }, [B]: { role: 'active' } })
    }, 180_000)
  })
}
