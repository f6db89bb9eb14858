import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Mode } from '../../src/domain/plan.ts'
import type { DeployReport } from '../../src/evidence/reports.ts'
import { htmlReport } from '../../src/reporting/html-report.ts'
import { STACK_ON_MACHINES } from '../lab-kind.ts'
import { readAllIds } from '../ledger/application-client.ts'
import { judgeLedger, longestGap } from '../ledger/judge-ledger.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { startProgress } from '../progress.ts'
import { reviewedMove } from '../reviewed-move.ts'
import { runLab } from '../run-lab.ts'
import { runStandby } from '../run-standby.ts'
import { untilGreen } from '../until-green.ts'
import { deployedMachines } from './deployed.ts'
import { drillReport, drillTable, drillVerdict, type MachinesDrill, type MachinesMove } from './drill-report.ts'
import { startRedisLedger } from './redis-ledger.ts'
import { SECRETS } from './secrets.ts'

const DEPLOY = 'deployed and green'

/**
 * The quick drill: the stack on machines, three sites, no Kubernetes. Lab up, deploy, write all the time to the
 * application and to Redis, move away and back, count, deploy once more. Ends with a table and report.html; returns
 * exit code 0 only if all of it is true. Each step shows how long it has taken and how long it usually takes.
 */
export async function drillOnMachines(): Promise<number> {
  const begunAt = new Date().toISOString()
  await runLab('up', '--stack', STACK_ON_MACHINES)
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  const progress = startProgress('drill on machines')
  try {
    const onLine = (line: string): void => progress.detail(DEPLOY, line)
    const { lab, stack, credentials, deploy } = await progress.step(DEPLOY, () =>
      deployedMachines(stopping.signal, onLine),
    )
    const { githubUrl } = lab
    if (githubUrl === undefined) throw new Error("the lab has no fake of GitHub's API")
    const folder = await mkdtemp(join(tmpdir(), 'standby-drill-'))
    const file = join(folder, 'ledger.jsonl')
    const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
    const caches = lab.sites.flatMap(({ machines }) => machines.filter(({ role }) => role === 'app'))
    const redisLedger = startRedisLedger(
      caches.map(({ address }) => address),
      { password: SECRETS.REDIS_PASSWORD, intervalMs: 50 },
    )
    const moves: Omit<MachinesMove, 'clientGapMs'>[] = []
    const move = async (mode: Mode, to: string): Promise<boolean> => {
      const { planned, executed, window } = await progress.step(`${mode} to ${to}`, () =>
        reviewedMove(stack, { to, mode }, { githubUrl }),
      )
      moves.push({ report: executed, predicted: planned.plan.predictions, window })
      return executed.verdict === 'moved'
    }
    const { activeSite: home } = await untilGreen(stack)
    const away = lab.sites.map(({ name }) => name).find((name) => name !== home)
    if (home === null || away === undefined) throw new Error('the stack has no active site, or no other one')
    const isAway = await move('switchover', away)
    if (isAway) await untilGreen(stack)
    if (isAway) await move('switchover', home)
    const summary = await ledger.stop()
    const entries = await ledger.entries()
    const redis = await redisLedger.stop()
    const ids = await readAllIds(stack.addresses[0] ?? '', credentials)
    const after = await progress.step('green again', () => untilGreen(stack))
    const again = await progress.step('second deploy', () =>
      runStandby<DeployReport>(stack, 'deployer', ['deploy'], { quiet: true }),
    )
    const facts: MachinesDrill = {
      begunAt,
      endedAt: new Date().toISOString(),
      deploy,
      secondDeploy: again.result,
      moves: moves.map((one) => ({ ...one, clientGapMs: longestGap(entries, one.window)?.durationMs ?? null })),
      ledger: { ...judgeLedger(entries, ids), run: summary.run },
      redis,
      statusAfter: after,
    }
    const path = resolve(import.meta.dirname, '..', '..', 'report.html')
    await writeFile(path, htmlReport(drillReport(facts)))
    const failures = drillVerdict(facts)
    const verdict =
      failures.length === 0
        ? 'The drill passed.'
        : `The drill FAILED:\n${failures.map((line) => `  - ${line}`).join('\n')}`
    process.stdout.write(`\n${drillTable(facts)}\n\n${verdict}\nReport: ${path}\n`)
    return failures.length === 0 ? 0 : 1
  } finally {
    progress.end()
  }
}
