import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { readAllIds } from '../../../lab/ledger/application-client.ts'
import { judgeLedger } from '../../../lab/ledger/judge-ledger.ts'
import { startLedgerProcess } from '../../../lab/ledger/ledger-process.ts'
import { lostBeyondPlan } from '../../../lab/ledger/lost-beyond-plan.ts'
import { deployedMachines } from '../../../lab/machines/deployed.ts'
import { cutPowerOf, spansAroundLoss } from '../../../lab/machines/lose-site.ts'
import { patientMove } from '../../../lab/machines/patient-move.ts'
import { twoWriters } from '../../../lab/matrix/writers.ts'
import { runLab } from '../../../lab/run-lab.ts'
import { endsOf, untilGreen } from '../../../lab/until-green.ts'

test('a site of machines whose power is lost is left by a failover that loses no more than its plan says, takes no write when it comes back, and is rejoined', async () => {
  const { lab, stack, credentials } = await deployedMachines(AbortSignal.timeout(900_000))
  const around = { githubUrl: lab.githubUrl ?? '' }
  const { from: lost, to } = endsOf(await untilGreen(stack))
  const folder = await mkdtemp(join(tmpdir(), 'standby-lost-'))
  const file = join(folder, 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  await sleep(3_000)
  const lostAt = await cutPowerOf(lost)
  const failover = await patientMove(stack, { to, mode: 'failover', 'accept-data-loss': '15m' }, around).finally(() =>
    runLab('heal', lost),
  )
  expect(failover.executed).toMatchObject({ verdict: 'moved', failure: null })
  const rejoin = await patientMove(stack, { to: lost, mode: 'rejoin' }, around)
  expect(rejoin.executed).toMatchObject({ verdict: 'moved', failure: null })
  await untilGreen(stack)
  await ledger.stop()
  const entries = await ledger.entries()
  const verdict = judgeLedger(entries, await readAllIds(stack.addresses[0] ?? '', credentials))
  expect(verdict).toMatchObject({ unexpected: [], ghosts: [] })
  const planned = { seconds: failover.planned.plan.predictions.loss.seconds[1], lostAt, leftAt: failover.window.to }
  expect(lostBeyondPlan(entries, verdict.lostAcknowledged, planned)).toEqual([])
  const spans = await spansAroundLoss(lab, { site: lost, at: lostAt })
  expect(spans.filter((span) => span.site === lost && (span.to === null || span.to > failover.window.to))).toEqual([])
  expect(twoWriters(spans, Date.now())).toBe(0)
}, 1_800_000)
