import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../../lab/until.ts'
import type { World } from '../../../../src/composition/connect.ts'
import type { Finding, Plan } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { handOverStep } from '../../../../src/drivers/patroni/stretched/hand-over.ts'
import { lockHeldStep } from '../../../../src/drivers/patroni/stretched/lock-held.ts'
import { takenOver } from '../../../../src/drivers/patroni/stretched/taken-over.ts'
import { executeFailover } from '../../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../../src/operations/plan-failover.ts'
import { sequenceOf } from '../../../../src/planning/order-steps.ts'
import { digestOf } from '../../../../src/planning/plan-digest.ts'
import { activeDocument } from '../../../../src/witness/documents.ts'
import { ACTIVE } from '../../../../src/witness/keys.ts'
import { tryDocument } from '../../../../src/witness/read-document.ts'
import { LOGIN, type PatroniNode, type PatroniWorld, startPatroni, writeLedger } from '../../../support/patroni.ts'
import { type PatroniStack, patroniStack } from '../../../support/patroni-move.ts'
import { onEtcdOverSites } from '../../../support/patroni-on-etcd.ts'
import { toyApproval } from '../../../support/toy-stack.ts'

const [A, B, C] = ['dc-a', 'dc-b', 'dc-c'] as [SiteName, SiteName, SiteName]

let world: PatroniWorld
let stack: PatroniStack
let runner: World
beforeAll(async () => {
  world = await startPatroni(onEtcdOverSites, { [A]: ['pg-a1'], [B]: ['pg-b1'], [C]: ['pg-c1'] })
  stack = patroniStack(world)
  runner = await stack.world()
  await node('pg-a1').sql('CREATE TABLE ledger (id int PRIMARY KEY, at timestamptz DEFAULT now())')
}, 180_000)
afterAll(() => world?.stop(), 60_000)

const node = (name: string): PatroniNode => {
  const found = world.sites.flatMap(({ nodes }) => nodes).find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}
const status = async (): Promise<Finding[]> => runner.findings(await runner.observe(), null)
const codesOf = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code)
const blocking = ({ findings }: Plan): string[] => codesOf(findings.filter(({ severity }) => severity === 'blocker'))
const activeIn = async ({ store }: World): Promise<string | undefined> => {
  const active = await tryDocument(store, activeDocument, ACTIVE)
  return active?.kind === 'sound' ? active.record.activeSite : undefined
}
const execute = async (plan: Plan) => executeFailover(runner, plan, toyApproval(digestOf(plan)))
const allFollow = (leader: string): Promise<unknown> =>
  until(`all to follow ${leader}`, { deadline: 90_000, every: 300 }, async () => {
    const states = Object.values(await stack.observe())
    return states.every(
      (one) => one.kind === 'answering' && one.health === 'healthy' && one.state.stretched?.lock?.holder === leader,
    )
  })
const switchTo = (site: SiteName, leader: string, candidate: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${world.site(site).node(leader).restPort}/switchover`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}` },
    body: JSON.stringify({ leader, candidate }),
  })
const rowsOn = async (name: string): Promise<Set<number>> =>
  new Set((await node(name).sql('SELECT id FROM ledger')).split('\n').map(Number))

describe('a Patroni cluster over three sites', () => {
  test('shows on every site who holds the lock, which servers of the store vote, and how it replicates', async () => {
    await allFollow('pg-a1')
    const states = await stack.observe()
    for (const site of [A, B, C]) {
      const seen = states[site]
      expect(seen).toMatchObject({
        role: site === A ? 'active' : 'passive',
        state: {
          stretched: {
            lock: { holder: 'pg-a1', site: A },
            voters: { [A]: 1, [B]: 1, [C]: 1 },
            synchronous: 'off',
          },
        },
        text: expect.stringContaining('lock pg-a1 (dc-a), store dc-a 1 dc-b 1 dc-c 1, synchronous off'),
      })
    }
    expect(codesOf(await status())).toEqual(['patroni-asynchronous'])
  }, 120_000)

  test('is not promoted by a failover: what Patroni elects is waited for, and nothing is planned in its place', async () => {
    const { plan } = await planFailover(runner, { mode: 'failover', to: B, acceptLoss: 'unknown' })
    expect(blocking(plan)).toContain('patroni-moves-by-itself')
    expect(plan.steps.filter(({ phase }) => phase === 'PROMOTE').map(({ id }) => id)).toEqual(['witness.activate@dc-b'])
    await expect(planFailover(runner, { mode: 'follow' })).rejects.toMatchObject({ code: 'nothing-to-follow' })
  }, 60_000)

  test('is handed over by a switchover to a member of the target: one writer, and no acknowledged write lost', async () => {
    await allFollow('pg-a1')
    const writer = writeLedger(world.sites.flatMap(({ nodes }) => nodes))
    const { plan } = await planFailover(runner, { mode: 'switchover', to: B })
    expect(blocking(plan)).toEqual([])
    const report = await execute(plan)
    expect(report).toMatchObject({ verdict: 'moved', failure: null })
    expect(await activeIn(runner)).toBe(B)
    const handed = report.steps.find(({ id }) => id === 'database.hand-over@dc-b')
    expect(handed).toMatchObject({ outcome: 'done', proof: { holder: 'pg-b1', timeline: 2, silent: [] } })
    const { acknowledged } = await writer.stop()
    const kept = await rowsOn('pg-b1')
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
  }, 180_000)

  test('hands its lock back when a switchover is taken back, and nothing where it was not handed over', async () => {
    await allFollow('pg-b1')
    const intent = { mode: 'switchover', from: B, to: C } as const
    const step = handOverStep(stack.component, intent)
    await stack.takeBack(step, intent)
    expect((await stack.observe())[B]).toMatchObject({ role: 'active', state: { history: [[1, expect.anything()]] } })
    await stack.perform(step, intent)
    expect(await stack.observe()).toMatchObject({ [B]: { role: 'passive' }, [C]: { role: 'active' } })
    await stack.takeBack(step, intent)
    expect(await stack.observe()).toMatchObject({ [B]: { role: 'active' }, [C]: { role: 'passive' } })
  }, 180_000)

  test('that is paused neither moves nor proves anything by its lock', async () => {
    await allFollow('pg-b1')
    const pause = (paused: boolean | null) =>
      fetch(`http://127.0.0.1:${node('pg-b1').restPort}/config`, {
        method: 'PATCH',
        headers: { authorization: `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}` },
        body: JSON.stringify({ pause: paused }),
      })
    await pause(true)
    try {
      const intent = { mode: 'failover', from: A, to: B } as const
      await expect(stack.perform(lockHeldStep(stack.component, intent), intent)).rejects.toMatchObject({
        code: 'patroni-paused',
      })
      expect(takenOver(stack.component, await stack.observe())).toBeNull()
      expect(codesOf(await status())).toContain('patroni-paused')
    } finally {
      await pause(null)
    }
  }, 60_000)

  test('that lost its site is seen on another one by status within 30 s, with the way that everything follows', async () => {
    await allFollow('pg-b1')
    await world.site(B).kill()
    await until(
      'Patroni to have elected another member',
      { deadline: 60_000, every: 100 },
      async () => (await writerName()) !== null,
    )
    const elected = Date.now()
    const moved = (found: readonly Finding[]) => found.find(({ code }) => code === 'moved-by-itself')
    await until(
      'status to say that it has moved',
      { deadline: 30_000, every: 300 },
      async () => moved(await status()) !== undefined,
    )
    expect(Date.now() - elected).toBeLessThan(30_000)
    const found = moved(await status())
    const target = found?.site as SiteName
    expect(found).toMatchObject({
      severity: 'blocker',
      component: 'database',
      what: expect.stringMatching(
        /the witness says that dc-b is active, and database takes its writes on dc-[ac] since 20/,
      ),
      next: `Have everything follow it: standby failover plan --mode follow --to ${target}`,
    })
    // Amid the follow Patroni is asked for nothing: it keeps its primary and its timeline.
    const before = (await stack.observe())[target]
    const { plan } = await planFailover(runner, { mode: 'follow' })
    expect(plan.intent).toEqual({ mode: 'follow', from: B, to: target })
    expect(blocking(plan)).toEqual([])
    expect(sequenceOf(plan.steps).map(({ id }) => id)).toEqual([
      'witness.lock',
      `database.lock-held@${target}`,
      `witness.activate@${target}`,
      'witness.close',
    ])
    const report = await execute(plan)
    expect(report).toMatchObject({ verdict: 'moved', mode: 'follow', failure: null })
    expect(report.steps.find(({ id }) => id.startsWith('database.lock-held'))).toMatchObject({
      proof: { silent: ['pg-b1'] },
    })
    expect(await activeIn(runner)).toBe(target)
    const after = (await stack.observe())[target]
    expect([before, after].map((one) => (one?.kind === 'answering' ? one.facts : null))).toEqual([
      before?.kind === 'answering' ? before.facts : null,
      before?.kind === 'answering' ? before.facts : null,
    ])
    expect(codesOf(await status())).not.toContain('moved-by-itself')
  }, 240_000)

  test('that moves on after a follow was planned makes its plan stale, and its look at the lock fails', async () => {
    await world.site(B).store.start()
    await node('pg-b1').start()
    const leader = (await writerName()) ?? ''
    await allFollow(leader)
    const active = (await activeIn(runner)) as SiteName
    const [next, last] = [A, B, C].filter((site) => site !== active)
    const nameAt = (site: SiteName | undefined): string => world.site(site ?? '').nodes[0]?.name ?? ''
    await switchTo(active, leader, nameAt(next))
    await allFollow(nameAt(next))
    const { plan } = await planFailover(runner, { mode: 'follow' })
    expect(plan.intent).toEqual({ mode: 'follow', from: active, to: next })
    // On to the third one: the plan is stale, and nothing is changed.
    await switchTo(next as SiteName, nameAt(next), nameAt(last))
    await allFollow(nameAt(last))
    const report = await execute(plan)
    expect(report.verdict).toBe('refused')
    expect(await activeIn(runner)).toBe(active)
    const intent = { mode: 'failover', from: active, to: next as SiteName } as const
    await expect(stack.perform(lockHeldStep(stack.component, intent), intent)).rejects.toMatchObject({
      code: 'patroni-lock-elsewhere',
    })
  }, 240_000)
})

async function writerName(): Promise<string | null> {
  for (const { name, status: ask } of world.sites.flatMap(({ nodes }) => nodes)) {
    const seen = await ask()
    if (seen?.role === 'primary' && seen.state === 'running') return name
  }
  return null
}
