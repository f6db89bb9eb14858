import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, jest, test } from '@jest/globals'
import { readAllIds } from '../../../lab/ledger/application-client.ts'
import { judgeLedger } from '../../../lab/ledger/judge-ledger.ts'
import { startLedgerProcess } from '../../../lab/ledger/ledger-process.ts'
import { type DeployedMachines, deployedMachines } from '../../../lab/machines/deployed.ts'
import { patientMove } from '../../../lab/machines/patient-move.ts'
import { startRedisLedger } from '../../../lab/machines/redis-ledger.ts'
import { SECRETS } from '../../../lab/machines/secrets.ts'
import { spansOnMachines } from '../../../lab/machines/writers.ts'
import { twoWriters } from '../../../lab/matrix/writers.ts'
import { runStandby } from '../../../lab/run-standby.ts'
import { untilGreen } from '../../../lab/until-green.ts'
import type { DeployReport, RestoreTestOutcome } from '../../../src/evidence/reports.ts'

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
      const { executed } = await patientMove(stack, { to, mode: 'switchover' }, { githubUrl: lab.githubUrl ?? '' })
      expect({ to, verdict: executed.verdict, failure: executed.failure }).toEqual({
        to,
        verdict: 'moved',
        failure: null,
      })
      expect(executed.epoch.after).toBe(executed.epoch.before + 1)
      await untilGreen(stack)
    }
    const moves = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        await move('dc-b')
        await move('dc-a')
      }
    }
    const ofRedis = await moves().then(
      () => redis.stop(),
      async (error: unknown) => {
        await Promise.allSettled([redis.stop(), ledger.stop()])
        throw error
      },
    )
    await ledger.stop()
    const verdict = judgeLedger(await ledger.entries(), await readAllIds(stack.addresses[0] ?? '', credentials))
    expect(verdict).toMatchObject({ lostAcknowledged: [], unexpected: [], ghosts: [] })
    expect(verdict.acknowledged).toBeGreaterThan(0)
    expect(ofRedis.lost).toEqual([])
    expect(ofRedis.acknowledged).toBeGreaterThan(0)
    const spans = await spansOnMachines(lab)
    expect(twoWriters(spans, Date.now())).toBe(0)
    expect(spans.filter(({ to }) => to === null).map(({ site }) => site)).toEqual(['dc-a'])
  },
  LONGEST,
)

test('a deploy after the moves changes nothing', async () => {
  const { result } = await runStandby<DeployReport>(machines.stack, 'deployer', ['deploy', '--dry-run'], {
    quiet: true,
  })
  expect(result.units.flatMap(({ id, changes }) => changes.map(({ object }) => `${id} ${object}`))).toEqual([])
})

test('the backups that the last move took are restored on a passive site, and the application starts on them', async () => {
  const { result } = await runStandby<RestoreTestOutcome>(machines.stack, 'restore-tester', ['verify-backup'], {
    quiet: true,
  })
  expect(result.checks.filter(({ outcome }) => outcome !== 'pass')).toEqual([])
  expect(result).toMatchObject({ verdict: 'restorable', failure: null, sandbox: { removed: true } })
  expect(result.components.map(({ component }) => component).sort()).toEqual(['application', 'cache', 'database'])
})
