import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { htmlReport } from '../src/evidence/html-report.ts'
import type { BackupReport, DeployReport, RestoreTestOutcome, StatusReport } from '../src/evidence/reports.ts'
import { ensureCanary } from './canary.ts'
import { type DrillFacts, type DrillMove, drillReport, drillTable, drillVerdict } from './drill-report.ts'
import { endWith } from './end-with.ts'
import { readLabEnvironment } from './environment.ts'
import { readAllIds } from './ledger/application-client.ts'
import { judgeLedger, longestGap } from './ledger/judge-ledger.ts'
import { startLedgerProcess } from './ledger/ledger-process.ts'
import { reviewedMove } from './reviewed-move.ts'
import { runLab } from './run-lab.ts'
import { type CommandResult, runStandby } from './run-standby.ts'
import { type LabStackName, labStacks, prepareStack } from './stacks.ts'
import { tellStory } from './three-sites/tell-story.ts'
import { untilGreen } from './until-green.ts'

/**
 * The whole story on real systems: lab up, deploy, write all the time, back up, restore test, move away, move back, count.
 * Ends with a table and report.html; exit code 0 only if all of it is true. `--stack hanzo-kms` drills the other published stack.
 */
async function drill(): Promise<number> {
  const begun = new Date()
  await runLab('up')
  const lab = await readLabEnvironment()
  const { githubUrl } = lab
  if (githubUrl === undefined) throw new Error("the lab has no fake of GitHub's API")
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  say('preparing the stack: Secrets, identities, stack file')
  const stack = await prepareStack(stackName(), lab, stopping.signal)
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
  for (const to of [away, home]) {
    say(`failover to ${to}: plan, review, execute`)
    const { planned, executed, window } = await reviewedMove(stack, { to }, { githubUrl, helm: lab.programs.helm })
    moves.push({ to, report: executed, predictedGapMs: planned.plan.predictions.writeGap, window, clientGapMs: null })
    if (executed.verdict !== 'moved') break
  }
  const summary = await ledger.stop()
  const entries = await ledger.entries()
  const address = stack.addresses[0] ?? ''
  const verdict = judgeLedger(entries, await readAllIds(address, credentials))
  say('standby status  (as observer), until it is green')
  const after = await untilGreen(stack, lab.programs.helm)

  const facts: DrillFacts = {
    begunAt: begun.toISOString(),
    endedAt: new Date().toISOString(),
    deploy: deployed.result,
    secondDeploy: again.result,
    backup: backup.result,
    restoreTest: restoreTest.result,
    moves: moves.map((one) => ({ ...one, clientGapMs: longestGap(entries, one.window)?.durationMs ?? null })),
    ledger: { ...verdict, run: summary.run },
    statusAfter: after,
  }
  const path = resolve(import.meta.dirname, '..', 'report.html')
  await writeFile(path, htmlReport(drillReport(facts)))
  const failures = drillVerdict(facts)
  process.stdout.write(
    `\n${drillTable(facts)}\n\n${failures.length === 0 ? 'The drill passed.' : `The drill FAILED:\n${failures.map((line) => `  - ${line}`).join('\n')}`}\nReport: ${path}\n`,
  )
  return failures.length === 0 ? 0 : 1
}

/** `--sites 3`: the story of three sites, in place of the one of two. */
const options = () =>
  parseArgs({ options: { stack: { type: 'string', default: 'infisical-kubernetes' }, sites: { type: 'string', default: '2' } } })

function stackName(): LabStackName {
  const { values } = options()
  const names = Object.keys(labStacks) as LabStackName[]
  const found = names.find((name) => name === values.stack)
  if (found === undefined) throw new Error(`there is no stack ${values.stack}: name one of ${names.join(', ')}`)
  return found
}

const started = performance.now()
const say = (line: string): void =>
  void process.stderr.write(`\n== ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)

endWith(options().values.sites === '3' ? tellStory() : drill())
