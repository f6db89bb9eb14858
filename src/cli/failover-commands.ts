import { writeFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { World } from '../composition.ts'
import { parseDuration } from '../duration.ts'
import { inputError, StandbyError } from '../errors.ts'
import { moveText, planText } from '../evidence/terminal.ts'
import { continueFailover, readRun } from '../operations/continue-failover.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan } from '../operations/read-plan.ts'
import type { Approval, MoveReport } from '../operations/reports.ts'
import { MODES, type Mode } from '../planning/plan.ts'
import { EXIT, operate, type Shown, style } from './operate.ts'

/** `standby failover …`: the reviewed move, its continuation, and the way back. */
export function addFailover(program: Command): void {
  const failover = program.command('failover').description('the reviewed move of the stack to another site')
  addPlan(program, failover)
  addExecute(program, failover)
  failover
    .command('resume')
    .description('continue a run whose process died, from what it left in the witness')
    .option('--run <id>', 'the run; without it the one that has left its lock behind')
    .action((options: { run?: string }) =>
      operate(program, async (world) => shown(await continueFailover(world, await readRun(world, options.run ?? null), 'resume'), 'moved')),
    )
  failover
    .command('abort')
    .description('take a run back that has not passed the point of no return, until the old site serves and writes')
    .option('--run <id>', 'the run; without it the one that has left its lock behind')
    .action((options: { run?: string }) =>
      operate(program, async (world) => shown(await continueFailover(world, await readRun(world, options.run ?? null), 'abort'), 'undone')),
    )
}

interface PlanOptions {
  readonly mode: Mode
  readonly to: string
  readonly from?: string
  readonly acceptDataLoss?: string
  readonly out: string
}

function addPlan(program: Command, failover: Command): void {
  failover
    .command('plan')
    .description('observe, plan and predict; read-only')
    .addOption(
      new Option('--mode <mode>', 'switchover: planned, loses nothing; failover: the active site is lost; rejoin: a lost site comes back')
        .choices(MODES)
        .default('switchover'),
    )
    .requiredOption('--to <site>', 'the new active site; for a rejoin the site that comes back')
    .option('--from <site>', 'must be the active site now')
    .option('--accept-data-loss <duration>', 'failover: how much of the newest writes may be lost, such as 5m')
    .option('--out <file>', 'where the plan is written', 'standby-plan.json')
    .action((options: PlanOptions) =>
      operate(program, async (world) => {
        const { mode, to, from, acceptDataLoss } = options
        const bound = acceptDataLoss === undefined ? {} : { acceptLoss: acceptedLoss(acceptDataLoss) }
        const report = await planFailover(world, { mode, to, ...(from === undefined ? {} : { from }), ...bound })
        await writeFile(options.out, `${JSON.stringify(report.plan, null, 2)}\n`)
        const { status: _, ...result } = report
        return {
          result,
          text: `${planText(report, style())}\nThe plan is in ${options.out}.`,
          exit: report.executable ? EXIT.ok : EXIT.refused,
        }
      }),
    )
}

interface ExecuteOptions {
  readonly plan: string
  readonly digest: string
  readonly reason: string
  readonly breakGlass: boolean
}

function addExecute(program: Command, failover: Command): void {
  failover
    .command('execute')
    .description('execute a plan whose digest you reviewed')
    .requiredOption('--plan <file>', 'the plan')
    .requiredOption('--digest <sha256>', 'the digest that was reviewed')
    .requiredOption('--reason <text>', 'why this is done without a reviewer on GitHub; goes into the evidence')
    .option('--break-glass', 'the stack names GitHub reviewers, and GitHub can not be asked', false)
    .action((options: ExecuteOptions) =>
      operate(program, async (world) => {
        const plan = await readPlan(options.plan, null)
        return shown(await executeFailover(world, plan, localApproval(world, options)), 'moved')
      }),
    )
}

/** A move that ended as it was asked for is a success; one that was taken back by itself is none. */
function shown(report: MoveReport, asked: MoveReport['verdict']): Shown {
  const exit = report.verdict === asked ? EXIT.ok : report.verdict === 'refused' ? EXIT.refused : EXIT.failed
  return { result: report, text: moveText(report, style()), exit }
}

function acceptedLoss(text: string): number {
  const bound = parseDuration(text)
  if (bound !== null) return bound
  throw inputError('input-invalid', `--accept-data-loss is ${text}, and must be a duration`, { next: 'For example 30s, 5m or 1h.' })
}

/** Whoever holds the mover's credentials may move; with reviewers declared, only by saying openly that they are passed over. */
function localApproval(world: World, options: ExecuteOptions): Approval {
  if (options.reason.trim() === '') throw inputError('reason-missing', '--reason is empty', { next: 'Say why; it goes into the evidence.' })
  if (world.stack.approval.github !== undefined && !options.breakGlass)
    throw new StandbyError({
      code: 'reviewer-required',
      mustAct: 'approval',
      what: `${world.stack.name} is moved by the reviewers of the environment ${world.stack.approval.github.environment}`,
      next: 'Use the failover workflow. If GitHub is down: add --break-glass, which the evidence records.',
    })
  return {
    kind: 'local',
    digest: options.digest,
    approvers: [],
    requestedBy: process.env.SUDO_USER ?? process.env.USER ?? 'unknown',
    reason: options.reason,
    proof: { breakGlass: options.breakGlass },
  }
}
