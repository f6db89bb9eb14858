import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { DeployReport, RestoreTestOutcome } from '../../src/evidence/reports.ts'
import { htmlReport } from '../../src/reporting/html-report.ts'
import type { DrillMove, LostSite } from '../drill-report.ts'
import { STACK_ON_MACHINES, type With } from '../lab-kind.ts'
import { readAllIds } from '../ledger/application-client.ts'
import { judgeLedger, longestGap } from '../ledger/judge-ledger.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { twoWriters } from '../matrix/writers.ts'
import { type Progress, startProgress } from '../progress.ts'
import type { MoveInputs } from '../reviewed-move.ts'
import { runLab } from '../run-lab.ts'
import { runStandby } from '../run-standby.ts'
import type { SiteName } from '../topology.ts'
import { untilGreen } from '../until-green.ts'
import { untilCatalogueNames } from './catalogue.ts'
import { presentConsul } from './consul.ts'
import { backUpMachines, type DeployedMachines, deployOnMachines } from './deployed.ts'
import { drillReport, drillTable, drillVerdict, type MachinesDrill } from './drill-report.ts'
import { cutPowerOf, spansAroundLoss } from './lose-site.ts'
import { patientMove } from './patient-move.ts'
import { startRedisLedger } from './redis-ledger.ts'
import { SECRETS } from './secrets.ts'

const DEPLOY = 'deployed'

/**
 * The quick drill: the stack on machines, three sites, no Kubernetes. Lab up, deploy, write all the time to the
 * application and to Redis, back up, test the restore, move away and back, deploy once more, cut the power of the active
 * site, fail over, give it back, rejoin it, count. Ends with a table and report.html; returns exit code 0 only if all of
 * it is true. Each step shows how long it has taken and how long it usually takes. `also`: with Consul in the place of
 * etcd.
 */
export async function drillOnMachines(also: With | undefined): Promise<number> {
  const begunAt = new Date().toISOString()
  await runLab('up', '--stack', STACK_ON_MACHINES, ...(also === undefined ? [] : ['--with', also]))
  if (also === undefined && presentConsul() !== undefined)
    throw new Error('the lab has Consul: npm run lab -- down, or drill it with --with consul')
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  const progress = startProgress(also === undefined ? 'drill on machines' : 'drill with Consul')
  try {
    const machines = await progress.step(DEPLOY, () =>
      deployOnMachines(stopping.signal, (line) => progress.detail(DEPLOY, line)),
    )
    const facts = { ...(await drilled(machines, progress)), begunAt, endedAt: new Date().toISOString() }
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

type Seen = Omit<MachinesDrill, 'begunAt' | 'endedAt'>

/** Backup, restore test and moves of a stack that is deployed, under the writes of two clients. */
async function drilled(machines: DeployedMachines, progress: Progress): Promise<Seen> {
  const { stack, credentials, deploy } = machines
  const stopWriting = await startWriting(machines)
  const story = async () => ({
    ...(await provenBackup(machines, progress)),
    ...(await movedAround(machines, progress)),
  })
  const told = await story().catch(async (error: unknown) => {
    await stopWriting().catch(() => undefined)
    throw error
  })
  const { summary, entries, redis } = await stopWriting()
  const ids = await readAllIds(stack.addresses[0] ?? '', credentials)
  const statusAfter = await progress.step('green again', () => untilGreen(stack))
  const { lab } = machines
  const { consul } = lab
  if (consul !== undefined)
    await progress.step('catalogue', () =>
      untilCatalogueNames(statusAfter.activeSite ?? 'no site', { ...lab, consul }, AbortSignal.timeout(120_000)),
    )
  return {
    deploy,
    ...told,
    moves: told.moves.map((one) => ({ ...one, clientGapMs: longestGap(entries, one.window)?.durationMs ?? null })),
    entries,
    ledger: { ...judgeLedger(entries, ids), run: summary.run },
    redis,
    statusAfter,
  }
}

/** One client of the application, and one of Redis. */
async function startWriting({ lab, stack, credentials }: DeployedMachines) {
  const folder = await mkdtemp(join(tmpdir(), 'standby-drill-'))
  const file = join(folder, 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  const caches = lab.sites.flatMap(({ machines }) => machines.filter(({ role }) => role === 'app'))
  const redis = startRedisLedger(
    caches.map(({ address }) => address),
    { password: SECRETS.REDIS_PASSWORD, intervalMs: 50 },
  )
  return async () => {
    const summary = await ledger.stop()
    return { summary, entries: await ledger.entries(), redis: await redis.stop() }
  }
}

async function provenBackup(
  { stack }: DeployedMachines,
  progress: Progress,
): Promise<Pick<MachinesDrill, 'backup' | 'restoreTest'>> {
  const backup = await progress.step('backup', () => backUpMachines(stack))
  const { result } = await progress.step('restore test', () =>
    runStandby<RestoreTestOutcome & { error?: { what: string } }>(stack, 'restore-tester', ['verify-backup'], {
      quiet: true,
    }),
  )
  if (result.error !== undefined) throw new Error(`the restore test was refused: ${result.error.what}`)
  return { backup, restoreTest: result }
}

/** Each move rests on the one before it: the first that does not end well ends the drill. */
async function movedAround(
  { lab, stack }: DeployedMachines,
  progress: Progress,
): Promise<Pick<MachinesDrill, 'moves' | 'lost' | 'secondDeploy'>> {
  const { githubUrl } = lab
  if (githubUrl === undefined) throw new Error("the lab has no fake of GitHub's API")
  const moves: DrillMove[] = []
  const move = async (inputs: MoveInputs & Pick<DrillMove, 'mode'> & { readonly to: SiteName }): Promise<boolean> => {
    const { mode, to } = inputs
    const { planned, executed, window } = await progress.step(`${mode} ${mode === 'rejoin' ? 'of' : 'to'} ${to}`, () =>
      patientMove(stack, inputs, { githubUrl }),
    )
    moves.push({ to, mode, report: executed, predicted: planned.plan.predictions, window, clientGapMs: null })
    return executed.verdict === 'moved'
  }
  const green = () => progress.step('green', () => untilGreen(stack))
  const { activeSite } = await green()
  const home = lab.sites.map(({ name }) => name).find((name) => name === activeSite)
  const away = lab.sites.map(({ name }) => name).find((name) => name !== home)
  if (home === undefined || away === undefined) throw new Error('the stack has no active site, or no other one')
  const unfinished = { moves, lost: null, secondDeploy: null }
  if (!(await move({ mode: 'switchover', to: away }))) return unfinished
  await green()
  if (!(await move({ mode: 'switchover', to: home }))) return unfinished
  await green()
  const { result: secondDeploy } = await progress.step('second deploy', () =>
    runStandby<DeployReport>(stack, 'deployer', ['deploy'], { quiet: true }),
  )
  const at = await progress.step(`power of ${home} cut`, () => cutPowerOf(home))
  const isAway = await move({ mode: 'failover', to: away, 'accept-data-loss': ACCEPTED }).finally(() =>
    progress.step(`${home} back`, () => runLab('heal', home)),
  )
  if (isAway) await move({ mode: 'rejoin', to: home })
  const twoWritersMs = twoWriters(await spansAroundLoss(lab, { site: home, at }), Date.now())
  const lost: LostSite = { site: home, at, twoWritersMs }
  return { moves, lost, secondDeploy }
}

/** How much the failover accepts to lose: far above what it should. */
const ACCEPTED = '15m'
