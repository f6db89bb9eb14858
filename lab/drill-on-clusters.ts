import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Mode } from '../src/domain/plan.ts'
import type { BackupReport, DeployReport, RestoreTestOutcome, StatusReport } from '../src/evidence/reports.ts'
import { htmlReport } from '../src/reporting/html-report.ts'
import { ensureCanary } from './canary.ts'
import {
  type DrillFacts,
  type DrillMove,
  drillReport,
  drillTable,
  drillVerdict,
  type LostSite,
} from './drill-report.ts'
import { readLabEnvironment } from './environment.ts'
import { readAllIds } from './ledger/application-client.ts'
import { judgeLedger, longestGap } from './ledger/judge-ledger.ts'
import { startLedgerProcess } from './ledger/ledger-process.ts'
import { loseSite, returnSite } from './lose-site.ts'
import { spansOf, twoWriters } from './matrix/writers.ts'
import { startPrivateStore } from './private-store.ts'
import { reviewedMove } from './reviewed-move.ts'
import { runLab } from './run-lab.ts'
import { type CommandResult, runStandby } from './run-standby.ts'
import { type LabStackName, labStacks, prepareStack, type Wishes } from './stacks.ts'
import { tellStory } from './three-sites/tell-story.ts'
import type { SiteName } from './topology.ts'
import { untilGreen } from './until-green.ts'
import { whatDeployWouldChange } from './what-deploy-would-change.ts'

/**
 * The whole story on real systems: lab up, deploy, write all the time, back up, restore test, move away, move back,
 * count. Ends with a table and report.html; exit code 0 only if all of it is true. A variant needs a lab of
 * its own (`npm run lab -- down` before it), because a running stack does not change how it archives.
 */
async function drill(wanted: WantedOnClusters): Promise<number> {
  const begun = new Date()
  await runLab('up')
  const lab = await readLabEnvironment()
  const { githubUrl } = lab
  const store = wanted.privateStore ? await startPrivateStore(lab) : undefined
  if (githubUrl === undefined) throw new Error("the lab has no fake of GitHub's API")
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  say('preparing the stack: Secrets, identities, stack file')
  const stack = await prepareStack(wanted.stack, lab, stopping.signal, {
    ...wanted.wishes,
    ...(store === undefined ? {} : { store }),
  })
  const standby = <Result>(
    identity: Parameters<typeof runStandby>[1],
    ...args: string[]
  ): Promise<CommandResult<Result>> => {
    say(`standby ${args.join(' ')}  (as ${identity})`)
    return runStandby<Result>(stack, identity, args, { helm: lab.programs.helm })
  }

  const deployed = await standby<DeployReport>('deployer', 'deploy')
  if (deployed.code !== 0)
    throw new Error(`the deploy ended with ${deployed.code}: ${deployed.result.failure?.what ?? ''}`)
  const credentials = await ensureCanary(stack)
  const again = await standby<DeployReport>('deployer', 'deploy')

  const folder = await mkdtemp(join(tmpdir(), 'standby-drill-'))
  const ledger = await startLedgerProcess({
    addresses: stack.addresses,
    credentials,
    intervalMs: 50,
    file: join(folder, 'ledger.jsonl'),
  })
  const backup = await standby<BackupReport>('mover', 'backup')
  const restoreTest = await standby<RestoreTestOutcome>('restore-tester', 'verify-backup')

  const before = await standby<StatusReport>('observer', 'status')
  const home = (before.result.activeSite ?? 'dc-a') as SiteName
  const away = lab.sites.map((site) => site.name).find((site) => site !== home) ?? 'dc-b'
  const moves: DrillMove[] = []
  /** What comes next rests on it: returns whether it may. */
  const move = async (mode: Mode, to: SiteName): Promise<boolean> => {
    say(`${mode} ${mode === 'rejoin' ? 'of' : 'to'} ${to}: plan, review, execute`)
    const inputs = { to, mode, ...(mode === 'failover' ? { 'accept-data-loss': ACCEPTED } : {}) }
    const { planned, executed, window } = await reviewedMove(stack, inputs, { githubUrl, helm: lab.programs.helm })
    moves.push({ to, mode, report: executed, predicted: planned.plan.predictions, window, clientGapMs: null })
    return executed.verdict === 'moved'
  }
  let lost: LostSite | null = null
  if (await move('switchover', away))
    if (!wanted.failover) await move('switchover', home)
    else {
      const begunAt = Date.now()
      say(`${away} is killed`)
      const at = Date.now()
      await loseSite(stack, away, 'kill')
      const moved = await move('failover', home).finally(() => returnSite(stack, away))
      const spans = await spansOf(
        { from: away, to: home },
        { begunAt, killedAt: at },
        lab,
        labStacks[stack.name].namespace,
      )
      lost = { site: away, at, twoWritersMs: twoWriters(spans, Date.now()) }
      if (moved) await move('rejoin', away)
    }
  const summary = await ledger.stop()
  const entries = await ledger.entries()
  const address = stack.addresses[0] ?? ''
  const verdict = judgeLedger(entries, await readAllIds(address, credentials))
  say('standby status  (as observer), until it is green')
  const after = await untilGreen(stack, lab.programs.helm)
  const undeclared = await whatDeployWouldChange(stack, lab.programs.helm)

  const facts: DrillFacts = {
    variant: process.argv.slice(2).join(' '),
    begunAt: begun.toISOString(),
    endedAt: new Date().toISOString(),
    deploy: deployed.result,
    secondDeploy: again.result,
    backup: backup.result,
    restoreTest: restoreTest.result,
    moves: moves.map((one) => ({ ...one, clientGapMs: longestGap(entries, one.window)?.durationMs ?? null })),
    lost,
    entries,
    ledger: { ...verdict, run: summary.run },
    statusAfter: after,
    undeclared,
    storeAskers: store === undefined ? null : [...store.askers],
  }
  await store?.stop()
  const path = resolve(import.meta.dirname, '..', 'report.html')
  await writeFile(path, htmlReport(drillReport(facts)))
  const failures = drillVerdict(facts)
  process.stdout.write(
    `\n${drillTable(facts)}\n\n${failures.length === 0 ? 'The drill passed.' : `The drill FAILED:\n${failures.map((line) => `  - ${line}`).join('\n')}`}\nReport: ${path}\n`,
  )
  return failures.length === 0 ? 0 : 1
}

/** How much the failover accepts to lose: far above what it should. */
const ACCEPTED = '15m'

export interface WantedOnClusters {
  readonly stack: LabStackName
  readonly threeSites: boolean
  readonly wishes: Wishes
  readonly failover: boolean
  readonly privateStore: boolean
}

/** The drill on clusters, or the story of three of them; returns the exit code. */
export const drillOnClusters = (wanted: WantedOnClusters): Promise<number> =>
  wanted.threeSites ? tellStory() : drill(wanted)

const started = performance.now()
const say = (line: string): void =>
  void process.stderr.write(`\n== ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)
