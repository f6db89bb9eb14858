import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, jest, test } from '@jest/globals'
import { readAllIds } from '../../../lab/ledger/application-client.ts'
import { judgeLedger } from '../../../lab/ledger/judge-ledger.ts'
import { startLedgerProcess } from '../../../lab/ledger/ledger-process.ts'
import { lostBeyondPlan } from '../../../lab/ledger/lost-beyond-plan.ts'
import { type DeployedMachines, deployedMachines } from '../../../lab/machines/deployed.ts'
import { startRedisLedger } from '../../../lab/machines/redis-ledger.ts'
import { SECRETS } from '../../../lab/machines/stack.ts'
import { spansOnMachines } from '../../../lab/machines/writers.ts'
import { twoWriters } from '../../../lab/matrix/writers.ts'
import { PlanRefused, reviewedMove } from '../../../lab/reviewed-move.ts'
import { runLab } from '../../../lab/run-lab.ts'
import { runStandby } from '../../../lab/run-standby.ts'
import { untilGreen } from '../../../lab/until-green.ts'
import type { DeployReport } from '../../../src/evidence/reports.ts'

jest.setTimeout(1_200_000)

/** There and back again: `npm run lab:moves` moves 200 times. */
const ROUNDS = Number(process.env.STANDBY_MOVES ?? '2')
/** A round takes 40 s at a load of 16. */
const LONGEST = 600_000 + ROUNDS * 300_000

let machines: DeployedMachines
beforeAll(async () => {
  machines = await deployedMachines(AbortSignal.timeout(900_000))
}, 900_000)

test(
  'the published stack moves between machines of two sites and back, loses no acknowledged write, and never has two writers',
  async () => {
    const { lab, stack, credentials } = machines
    const folder = await mkdtemp(join(tmpdir(), 'standby-moves-'))
    const file = join(folder, 'ledger.jsonl')
    const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
    const caches = lab.sites.flatMap((site) => site.machines.filter(({ role }) => role === 'app'))
    const redis = startRedisLedger(
      caches.map(({ address }) => address),
      { password: SECRETS.REDIS_PASSWORD, intervalMs: 50 },
    )
    const move = async (to: string): Promise<void> => {
      const { executed } = await reviewedMove(stack, { to, mode: 'switchover' }, { githubUrl: lab.githubUrl ?? '' })
      expect({ to, verdict: executed.verdict, failure: executed.failure }).toEqual({
        to,
        verdict: 'moved',
        failure: null,
      })
      expect(executed.epoch.after).toBe(executed.epoch.before + 1)
      await untilGreen(stack)
    }
    for (let round = 0; round < ROUNDS; round++) {
      await move('dc-b')
      await move('dc-a')
    }
    await ledger.stop()
    const verdict = judgeLedger(await ledger.entries(), await readAllIds(stack.addresses[0] ?? '', credentials))
    expect(verdict).toMatchObject({ lostAcknowledged: [], unexpected: [], ghosts: [] })
    expect(verdict.acknowledged).toBeGreaterThan(0)
    const ofRedis = await redis.stop()
    expect(ofRedis.lost).toEqual([])
    expect(ofRedis.acknowledged).toBeGreaterThan(0)
    const spans = await spansOnMachines(lab)
    expect(twoWriters(spans, Date.now())).toBe(0)
    expect(spans.filter(({ to }) => to === null).map(({ site }) => site)).toEqual(['dc-a'])
  },
  LONGEST,
)

test('a site whose power is lost is left by a failover that loses no more than its plan says, takes no write when it comes back, and is rejoined', async () => {
  const { lab, stack, credentials } = machines
  const { githubUrl = '' } = lab
  const folder = await mkdtemp(join(tmpdir(), 'standby-lost-'))
  const file = join(folder, 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  await sleep(3_000)
  const lostAt = Date.now()
  await runLab('outage', 'dc-a', '--how', 'kill')
  await sleep(NOTICED_AFTER)
  const inputs = { to: 'dc-b', mode: 'failover', 'accept-data-loss': '15m' } as const
  const failover = await reviewedMove(stack, inputs, { githubUrl }).finally(() => runLab('heal', 'dc-a'))
  expect(failover.executed).toMatchObject({ verdict: 'moved', failure: null })
  const rejoin = await reviewedMoveWhenPlanned(() => reviewedMove(stack, { to: 'dc-a', mode: 'rejoin' }, { githubUrl }))
  expect(rejoin.executed).toMatchObject({ verdict: 'moved', failure: null })
  await untilGreen(stack)
  await ledger.stop()
  const entries = await ledger.entries()
  const verdict = judgeLedger(entries, await readAllIds(stack.addresses[0] ?? '', credentials))
  expect(verdict).toMatchObject({ unexpected: [], ghosts: [] })
  const planned = { seconds: failover.planned.plan.predictions.loss.seconds[1], lostAt, leftAt: failover.window.to }
  expect(lostBeyondPlan(entries, verdict.lostAcknowledged, planned)).toEqual([])
  const spans = await spansOnMachines(lab)
  expect(spans.filter(({ site, to }) => site === 'dc-a' && (to === null || to > failover.window.to))).toEqual([])
  expect(twoWriters(spans, Date.now())).toBe(0)
  await reviewedMove(stack, { to: 'dc-a', mode: 'switchover' }, { githubUrl })
  await untilGreen(stack)
}, 900_000)

/** Load balancers and replicas notice a loss some seconds later; until then they say that the site lives. */
const NOTICED_AFTER = 12_000
const BACK_WITHIN = 90_000

/** A site that has just come back answers some seconds later; until then no rejoin is planned. */
async function reviewedMoveWhenPlanned<Move>(plan: () => Promise<Move>): Promise<Move> {
  for (const end = Date.now() + BACK_WITHIN; ; await sleep(3_000))
    try {
      return await plan()
    } catch (error) {
      if (!(error instanceof PlanRefused) || Date.now() > end) throw error
    }
}

test('a deploy after the moves changes nothing', async () => {
  const { result } = await runStandby<DeployReport>(machines.stack, 'deployer', ['deploy', '--dry-run'], {
    quiet: true,
  })
  expect(result.units.flatMap(({ id, changes }) => changes.map(({ object }) => `${id} ${object}`))).toEqual([])
})
