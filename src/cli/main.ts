import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { stringify } from 'yaml'
import { connect, type World } from '../composition.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import { asStandbyError, inputError, StandbyError } from '../errors.ts'
import { backupText, deployText, moveText, planText, restoreTestText, statusText } from '../evidence/terminal.ts'
import { accessObjects, bucketPolicies } from '../operations/access.ts'
import { backUp, freshBackup } from '../operations/back-up.ts'
import { deploy } from '../operations/deploy.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan } from '../operations/read-plan.ts'
import { status } from '../operations/status.ts'
import { verifyBackup } from '../operations/verify-backup.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { loadStack } from '../stack/load-stack.ts'
import { publishedSchema } from '../stack/schema.ts'
import { TOOL_VERSION } from '../version.ts'
import { addGuard } from './guard-command.ts'
import { liveView } from './live-view.ts'
import { errorText, secretMask, terminalLog } from './terminal.ts'

/** Exit codes are part of the interface: scripts branch on them. */
export const EXIT = { ok: 0, failed: 1, input: 2, refused: 3, degraded: 4, interrupted: 130 } as const

interface Common {
  readonly stack: string
  readonly json: boolean
  readonly quiet: boolean
}

/** `standby …`: the same operations as the actions, for a terminal and for the day that GitHub is down. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('standby')
    .description('Keeps a second data centre deployed, proven and ready, and moves the stack there when a human decides so.')
    .version(TOOL_VERSION)
    .option('--stack <file>', 'the stack file', 'standby.yaml')
    .option('--json', 'print the result as JSON', false)
    .option('--quiet', 'no progress', false)
    .showSuggestionAfterError()
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.input)
    })
  addReading(program)
  addChanging(program)
  addFailover(program)
  addGuard(program)
  await program.parseAsync([...argv], { from: 'user' })
}

function addReading(program: Command): void {
  program
    .command('status')
    .description('both sites side by side; read-only')
    .action(() =>
      operate(program, async (world) => {
        const report = await status(world)
        const { observation: _, ...result } = report
        return {
          result,
          text: statusText(report, style()),
          exit: report.verdict === 'green' ? EXIT.ok : report.verdict === 'degraded' ? EXIT.degraded : EXIT.failed,
        }
      }),
    )
  program
    .command('rbac')
    .description('print the identities and rights that this stack needs, as Kubernetes objects per site, and the S3 policies')
    .option('--site <site>', 'only of this site')
    .action((options: { site?: string }) => local(async () => rbacText(program.opts<Common>(), options.site)))
  program
    .command('schema')
    .description('print the JSON Schema of the stack file')
    .action(() => local(async () => JSON.stringify(publishedSchema(drivers, witnesses), null, 2)))
  program
    .command('digest <plan>')
    .description('print the digest of a plan file: what a reviewer approves')
    .action((path: string) => local(async () => digestOf(await readPlan(path, null))))
}

async function rbacText(common: Common, only: string | undefined): Promise<string> {
  const stack = await loadStack(common.stack, { drivers, witnesses })
  const sites = stack.sites.filter((site) => only === undefined || site.name === only)
  if (sites.length === 0)
    throw inputError('unknown-site', `${stack.name} has no site ${only}`, {
      next: `Name one of ${stack.sites.map((site) => site.name).join(', ')}.`,
    })
  if (common.json)
    return JSON.stringify(
      {
        kubernetes: Object.fromEntries(sites.map((site) => [site.name, accessObjects(stack, drivers, site.name)])),
        s3: bucketPolicies(stack, drivers),
      },
      null,
      2,
    )
  const documents = sites.map(
    (site) =>
      `# ${site.name}: kubectl --context ${site.name} apply -f -\n${accessObjects(stack, drivers, site.name)
        .map((object) => `---\n${stringify(object)}`)
        .join('')}`,
  )
  const policies = stringify(bucketPolicies(stack, drivers))
    .split('\n')
    .map((line) => `# ${line}`.trimEnd())
    .join('\n')
  return `${documents.join('\n')}\n# S3 policies, by identity:\n${policies}`
}

function addChanging(program: Command): void {
  program
    .command('deploy')
    .description('bring every site to its declared state, passive sites first')
    .option('--dry-run', 'only show what differs', false)
    .option('--only <components...>', 'only these components', [])
    .action((options: { dryRun: boolean; only: string[] }) =>
      operate(program, async (world) => {
        const report = await deploy(world, options)
        return { result: report, text: deployText(report, style()), exit: report.verdict === 'failed' ? EXIT.failed : EXIT.ok }
      }),
    )
  program
    .command('backup')
    .description('back up every component of the active site now, with its manifest')
    .action(() =>
      operate(program, async (world) => {
        const report = await backUp(world)
        return { result: report, text: backupText(report, style()), exit: report.failure === null ? EXIT.ok : EXIT.failed }
      }),
    )
  program
    .command('verify-backup')
    .description('restore the newest backups of the active site into a sandbox and judge the data')
    .option('--site <site>', 'the passive site that carries the sandbox')
    .option('--fresh', 'take a new backup first', false)
    .action((options: { site?: string; fresh: boolean }) =>
      operate(program, async (world) => {
        if (options.fresh) await freshBackup(world)
        const outcome = await verifyBackup(world, options.site === undefined ? {} : { site: options.site })
        const exit = outcome.verdict === 'restorable' ? EXIT.ok : outcome.verdict === 'degraded' ? EXIT.degraded : EXIT.failed
        return { result: outcome, text: restoreTestText(outcome, style()), exit }
      }),
    )
}

function addFailover(program: Command): void {
  const failover = program.command('failover').description('the reviewed move of the stack to another site')
  failover
    .command('plan')
    .description('observe, plan and predict; read-only')
    .requiredOption('--to <site>', 'the new active site')
    .option('--from <site>', 'must be the active site now')
    .option('--out <file>', 'where the plan is written', 'standby-plan.json')
    .action((options: { to: string; from?: string; out: string }) =>
      operate(program, async (world) => {
        const report = await planFailover(world, options)
        await writeFile(options.out, `${JSON.stringify(report.plan, null, 2)}\n`)
        const { status: _, ...result } = report
        return {
          result,
          text: `${planText(report, style())}\nThe plan is in ${options.out}.`,
          exit: report.executable ? EXIT.ok : EXIT.refused,
        }
      }),
    )
  failover
    .command('execute')
    .description('execute a plan whose digest you reviewed')
    .requiredOption('--plan <file>', 'the plan')
    .requiredOption('--digest <sha256>', 'the digest that was reviewed')
    .requiredOption('--reason <text>', 'why this is done without a reviewer on GitHub; goes into the evidence')
    .option('--break-glass', 'the stack names GitHub reviewers, and GitHub can not be asked', false)
    .action((options: { plan: string; digest: string; reason: string; breakGlass: boolean }) =>
      operate(program, async (world) => {
        const plan = await readPlan(options.plan, null)
        const report = await executeFailover(world, plan, localApproval(world, options))
        const exit = report.verdict === 'moved' ? EXIT.ok : report.verdict === 'refused' ? EXIT.refused : EXIT.failed
        return { result: report, text: moveText(report, style()), exit }
      }),
    )
}

/** Whoever holds the mover's credentials may move; with reviewers declared, only by saying openly that they are passed over. */
function localApproval(world: World, options: { readonly digest: string; readonly reason: string; readonly breakGlass: boolean }) {
  if (options.reason.trim() === '') throw inputError('reason-missing', '--reason is empty', { next: 'Say why; it goes into the evidence.' })
  if (world.stack.approval.github !== undefined && !options.breakGlass)
    throw new StandbyError({
      code: 'reviewer-required',
      mustAct: 'approval',
      what: `${world.stack.name} is moved by the reviewers of the environment ${world.stack.approval.github.environment}`,
      next: 'Use the failover workflow. If GitHub is down: add --break-glass, which the evidence records.',
    })
  return {
    kind: 'local' as const,
    digest: options.digest,
    approvers: [],
    requestedBy: process.env.SUDO_USER ?? process.env.USER ?? 'unknown',
    reason: options.reason,
    proof: { breakGlass: options.breakGlass },
  }
}

const style = (): { colour: boolean } => ({ colour: process.stdout.isTTY === true && process.env.NO_COLOR === undefined })

interface Shown {
  readonly result: object
  readonly text: string
  readonly exit: number
}

/** One place for world, signals, output and exit code. */
async function operate(program: Command, work: (world: World) => Promise<Shown>): Promise<void> {
  const common = program.opts<Common>()
  const stopping = new AbortController()
  const stop = (): void => {
    stopping.abort(
      new StandbyError({
        code: 'cancelled',
        mustAct: 'cancelled',
        what: 'stopped by a signal',
        next: 'Look at the last step in the journal before anything is started again.',
      }),
    )
    setTimeout(() => process.exit(EXIT.interrupted), 7_000).unref()
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const masking = secretMask()
  await local(async () => {
    const quiet = common.quiet || common.json
    const view = quiet || !process.stderr.isTTY ? null : liveView(process.stderr, masking.masked)
    const write = view?.line ?? ((line: string) => process.stderr.write(`${line}\n`))
    const log = terminalLog({ quiet, mask: masking.masked, write })
    process.on('unhandledRejection', (thrown) => log.warning(`internal-error: ${asStandbyError(thrown).message}`))
    const world = await connect({
      stackPath: common.stack,
      signal: stopping.signal,
      log,
      env: process.env,
      mask: masking.add,
      ...(view === null ? {} : { listener: view.listener }),
    })
    try {
      const shown = await work(world)
      process.exitCode = shown.exit
      return masking.masked(common.json ? JSON.stringify({ schemaVersion: 1, ...shown.result }, null, 2) : shown.text)
    } finally {
      view?.end()
      await world.close()
    }
  }, masking.masked)
}

async function local(work: () => Promise<string>, masked: (text: string) => string = (text) => text): Promise<void> {
  try {
    process.stdout.write(`${await work()}\n`)
  } catch (thrown) {
    const error = asStandbyError(thrown)
    process.stderr.write(`${masked(errorText(error))}\n`)
    if (error.mustAct === 'defect' && process.env.STANDBY_DEBUG !== undefined)
      process.stderr.write(`${String(error.cause instanceof Error ? error.cause.stack : error.stack)}\n`)
    process.exitCode = exitOf(error)
  }
  // Kept-alive connections must not hold the terminal.
  setTimeout(() => process.exit(), 300).unref()
}

function exitOf(error: StandbyError): number {
  if (error.mustAct === 'input') return EXIT.input
  if (error.mustAct === 'approval') return EXIT.refused
  return error.mustAct === 'cancelled' ? EXIT.interrupted : EXIT.failed
}
