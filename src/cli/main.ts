import { Command, Help } from 'commander'
import { drivers, witnesses } from '../drivers/registry.ts'
import { inputError } from '../errors/standby-error.ts'
import type { RestoreTestOutcome, StatusReport } from '../evidence/reports.ts'
import { backUp } from '../operations/back-up.ts'
import { deploy } from '../operations/deploy.ts'
import { readPlan } from '../operations/read-plan.ts'
import { refuseUnknownComponents } from '../operations/refuse-deploy.ts'
import { status } from '../operations/status.ts'
import { refuseUnknownSite, restoreTesting, verifyBackup } from '../operations/verify-backup.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { backupText, deployText, restoreTestText, statusText } from '../reporting/terminal.ts'
import { TOOL_VERSION } from '../runtime/version.ts'
import { publishedSchema } from '../stack/schema.ts'
import { harmlessJson } from '../values/harmless-text.ts'
import { addEvidence } from './evidence-commands.ts'
import { addFailover } from './failover-commands.ts'
import { addGuard } from './guard-command.ts'
import { EXIT, errorResult, exitAfter, local, operate, style } from './operate.ts'
import { addPreparing } from './prepare-commands.ts'

/** `standby …`: the same operations as the actions, for a terminal and for the day when GitHub is down. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('standby')
    .description(
      'Keeps a second data centre deployed, proven and ready, and moves the stack there when a human decides so.',
    )
    .version(TOOL_VERSION)
    .option('--stack <file>', 'the stack file', 'standby.yaml')
    .option('--json', 'print the result as JSON', false)
    .option('--quiet', 'no progress', false)
    .showSuggestionAfterError()
    .configureHelp({
      showGlobalOptions: true,
      optionDescription: (option) => `${new Help().optionDescription(option)}${option.mandatory ? ' (required)' : ''}`,
    })
    .addHelpText('after', AFTERWARDS)
    .exitOverride((error) => {
      if (error.exitCode !== 0 && argv.includes('--json')) printUnreadable(error.message)
      process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.input)
    })
  addPreparing(program)
  addReading(program)
  addChanging(program)
  addFailover(program)
  addGuard(program)
  addEvidence(program)
  await program.parseAsync([...argv], { from: 'user' })
}

const AFTERWARDS = `
Begin with: standby check, then standby credentials and standby rbac. Every command has a --help of its own.
Exit codes: 0 done, 1 it failed, 2 wrong input, 3 refused, 4 works with a warning, 130 interrupted.`

/** The error of invalid arguments, for programs; commander has written it for people. */
function printUnreadable(message: string): void {
  const error = inputError('input-invalid', message.replace(/^error: /, ''), {
    next: 'standby --help lists commands and options.',
  })
  process.stdout.write(`${harmlessJson(errorResult(error))}\n`)
}

const EXIT_OF_STATUS = {
  green: EXIT.ok,
  degraded: EXIT.degraded,
  broken: EXIT.failed,
} as const satisfies Record<StatusReport['verdict'], number>

const EXIT_OF_RESTORE_TEST = {
  restorable: EXIT.ok,
  degraded: EXIT.degraded,
  'not-restorable': EXIT.failed,
  inconclusive: EXIT.failed,
} as const satisfies Record<RestoreTestOutcome['verdict'], number>

function addReading(program: Command): void {
  program
    .command('status')
    .description('both sites side by side; read-only')
    .action(() =>
      operate(program, 'observer', async (world) => {
        const report = await status(world)
        const { observation: _, ...result } = report
        return {
          result,
          text: statusText(report, style()),
          exit: EXIT_OF_STATUS[report.verdict],
        }
      }),
    )
  program
    .command('schema')
    .description('print the JSON Schema of the stack file')
    .action(() => local(program, async () => JSON.stringify(publishedSchema(drivers, witnesses), null, 2)))
  program
    .command('digest <plan>')
    .description('print the digest of a plan file: what a reviewer approves')
    .action((path: string) => local(program, async () => digestOf(await readPlan(path, null))))
}

function addChanging(program: Command): void {
  program
    .command('deploy')
    .description('bring every site to its declared state, passive sites first')
    .option('--dry-run', 'only show what differs', false)
    .option('--only <components...>', 'only these components', [])
    .option(
      '--adopt',
      'take over objects that others made under the declared names, with their data and settings',
      false,
    )
    .action((options: { dryRun: boolean; only: string[]; adopt: boolean }) =>
      operate(
        program,
        'deployer',
        async (world) => {
          const report = await deploy(world, options)
          return {
            result: report,
            text: deployText(report, style()),
            exit: exitAfter(report.failure, report.verdict === 'failed' ? EXIT.failed : EXIT.ok),
          }
        },
        (stack) => refuseUnknownComponents(stack, options.only),
      ),
    )
  program
    .command('backup')
    .description('back up every component of the active site now, with its manifest')
    .action(() =>
      operate(program, 'mover', async (world) => {
        const report = await backUp(world)
        return {
          result: report,
          text: backupText(report, style()),
          exit: exitAfter(report.failure, report.failure === null ? EXIT.ok : EXIT.failed),
        }
      }),
    )
  program
    .command('verify-backup')
    .description('restore the newest backups of the active site into a sandbox and judge the data')
    .option('--site <site>', 'the passive site that carries the sandbox')
    .option('--fresh', "take a new backup first, which needs the mover's credentials", false)
    .action((options: { site?: string; fresh: boolean }) =>
      operate(
        program,
        restoreTesting(options),
        async (world) => {
          const { site, fresh } = options
          const outcome = await verifyBackup(world, { fresh, ...(site === undefined ? {} : { site }) })
          const exit = exitAfter(outcome.failure, EXIT_OF_RESTORE_TEST[outcome.verdict])
          return { result: outcome, text: restoreTestText(outcome, style()), exit }
        },
        (stack) => refuseUnknownSite(stack, options),
      ),
    )
}
