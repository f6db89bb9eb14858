import { spawn } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { htmlReport } from '../src/evidence/html-report.ts'
import type { BackupReport, DeployReport, MoveReport, PlanReport, RestoreTestOutcome, StatusReport } from '../src/operations/reports.ts'
import { ensureCanary } from './canary.ts'
import { type DrillFacts, type DrillMove, drillReport, drillTable, drillVerdict } from './drill-report.ts'
import { readLabEnvironment } from './environment.ts'
import { readAllIds } from './ledger/application-client.ts'
import { judgeLedger, longestGap } from './ledger/judge-ledger.ts'
import { startLedgerProcess } from './ledger/ledger-process.ts'
import { type CommandResult, runStandby } from './run-standby.ts'
import { type LabStack, prepareStack } from './stacks.ts'

/**
 * The whole story on real systems: lab up, deploy, write all the time, back up, restore test, move away, move back, count.
 * Ends with a table and report.html; exit code 0 only if all of it is true.
 */
async function drill(): Promise<number> {
  const begun = new Date()
  await labUp()
  const lab = await readLabEnvironment()
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  say('preparing the stack: Secrets, identities, stack file')
  const stack = await prepareStack('infisical-kubernetes', lab, stopping.signal)
  const standby = <Result>(identity: Parameters<typeof runStandby>[1], ...args: string[]): Promise<CommandResult<Result>> => {
    say(`standby ${args.join(' ')}  (as ${identity})`)
    return runStandby<Result>(stack, identity, args, { helm: lab.programs.helm })
  }

  const deployed = await standby<DeployReport>('deployer', 'deploy')
  if (deployed.code !== 0) throw new Error(`the deploy ended with ${deployed.code}: ${deployed.result.failure?.what ?? ''}`)
  const credentials = await ensureCanary(stack)
  const again = await standby<DeployReport>('deployer', 'deploy')

  const folder = await mkdtemp(join(tmpdir(), 'standby-drill-'))
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file: join(folder, 'ledger.jsonl') })
  const backup = await standby<BackupReport>('mover', 'backup')
  const restoreTest = await standby<RestoreTestOutcome>('restore-tester', 'verify-backup')

  const moves: DrillMove[] = []
  const before = await standby<StatusReport>('observer', 'status')
  const home = before.result.activeSite ?? 'dc-a'
  const away = lab.sites.map((site) => site.name as string).find((site) => site !== home) ?? 'dc-b'
  for (const to of [away, home]) moves.push(await move(stack, standby, folder, to, ledger))
  const summary = await ledger.stop()
  const entries = await ledger.entries()
  const address = stack.addresses[0] ?? ''
  const verdict = judgeLedger(entries, await readAllIds(address, credentials))
  const after = await standby<StatusReport>('observer', 'status')

  const facts: DrillFacts = {
    begunAt: begun.toISOString(),
    endedAt: new Date().toISOString(),
    deploy: deployed.result,
    secondDeploy: again.result,
    backup: backup.result,
    restoreTest: restoreTest.result,
    moves: moves.map((one) => ({ ...one, clientGapMs: longestGap(entries, one.window)?.durationMs ?? null })),
    ledger: { ...verdict, run: summary.run },
    statusAfter: after.result,
  }
  const path = resolve(import.meta.dirname, '..', 'report.html')
  await writeFile(path, htmlReport(drillReport(facts)))
  const failures = drillVerdict(facts)
  process.stdout.write(
    `\n${drillTable(facts)}\n\n${failures.length === 0 ? 'The drill passed.' : `The drill FAILED:\n${failures.map((line) => `  - ${line}`).join('\n')}`}\nReport: ${path}\n`,
  )
  return failures.length === 0 ? 0 : 1
}

/** Plan as the observer, review the digest, execute as the mover. */
async function move(
  stack: LabStack,
  standby: <Result>(identity: 'observer' | 'mover', ...args: string[]) => Promise<CommandResult<Result>>,
  folder: string,
  to: string,
  ledger: { readonly run: string },
): Promise<DrillMove> {
  const file = join(folder, `plan-${to}.json`)
  const planned = await standby<PlanReport>('mover', 'failover', 'plan', '--to', to, '--out', file)
  if (!planned.result.executable)
    throw new Error(`the move to ${to} is refused: ${planned.result.plan.findings.map((finding) => finding.what).join('; ')}`)
  const from = Date.now()
  const reason = `drill of ${stack.name}, ledger ${ledger.run}`
  const executed = await standby<MoveReport>(
    'mover',
    'failover',
    'execute',
    '--plan',
    file,
    '--digest',
    planned.result.digest,
    '--reason',
    reason,
    '--break-glass',
  )
  return {
    to,
    report: executed.result,
    predictedGapMs: planned.result.plan.predictions.writeGap,
    window: { from, to: Date.now() },
    clientGapMs: null,
  }
}

/** The lab in a process of its own: it shows its own progress. */
async function labUp(): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cli.ts'), 'up'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await new Promise<number>((done) => child.once('close', (exit) => done(exit ?? 1)))
  if (code !== 0) throw new Error('the lab did not come up: see above')
}

const started = performance.now()
const say = (line: string): void =>
  void process.stderr.write(`\n== ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)

drill().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`\nThe drill stopped: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
