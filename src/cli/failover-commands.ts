import { type Command, Option } from 'commander'
import { abortApproval, gitHubFromTerminal, readResumeApproval } from '../approval/resume-approval.ts'
import type { World } from '../composition/connect.ts'
import { readAcceptedLoss } from '../domain/accepted-loss.ts'
import type { Approval } from '../domain/approval.ts'
import { MODES, type Mode } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { inputError } from '../errors/standby-error.ts'
import { learnFrom } from '../evidence/learn-durations.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { continueFailover, patiently, readRun } from '../operations/continue-failover.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan } from '../operations/read-plan.ts'
import { type Attempt, recordingRefusal, refusalsIn } from '../operations/record-refusal.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { type MoveRequest, refuseImpossible } from '../planning/resolve-intent.ts'
import { moveText, planText } from '../reporting/terminal.ts'
import { refuseUnwritable, writeOutput } from '../runtime/output-file.ts'
import { witnessTime } from '../witness/time.ts'
import { addApprove, type LocalApprovalOptions, localApproval, userOf } from './approve-command.ts'
import { type Common, EXIT, exitAfter, type Learn, local, operate, type Shown, style } from './operate.ts'
import { addRunbook } from './runbook-command.ts'

/** `standby failover …`: the reviewed move, its continuation, and the way back. */
export function addFailover(program: Command): void {
  const failover = program.command('failover').description('the reviewed move of the stack to another site')
  addPlan(program, failover)
  addApprove(failover, { common: () => program.opts<Common>(), run: (work) => local(program, work) })
  addRunbook(program, failover)
  addExecute(program, failover)
  addContinue(program, failover, 'resume', 'continue a run whose process died, from what it left in the witness')
  addContinue(
    program,
    failover,
    'abort',
    'take a run back that has not passed the point of no return, until the old site serves as before',
  )
}

interface PlanOptions {
  readonly mode: Mode
  readonly to?: string
  readonly from?: string
  readonly acceptDataLoss?: string
  readonly out: string
}

function addPlan(program: Command, failover: Command): void {
  failover
    .command('plan')
    .description('observe, plan and predict; read-only')
    .addOption(
      new Option(
        '--mode <mode>',
        'switchover: planned, loses nothing; failover: the active site is lost; follow: the data has moved by itself; rejoin: a lost site comes back; reopen: the active site, shut by its guard, serves again',
      )
        .choices(MODES)
        .default('switchover'),
    )
    .option(
      '--to <site>',
      'the new active site (default: the first declared one that answers and is not active); for a rejoin the site that comes back; for a reopen the active site',
    )
    .option('--from <site>', 'must be the active site now')
    .option(
      '--accept-data-loss <duration>',
      'failover: how much of the newest writes may be lost, such as 5m; unknown: any loss, even one that cannot be measured',
    )
    .option('--out <file>', 'where the plan is written', 'standby-plan.json')
    .action((options: PlanOptions) => {
      const plan = async (world: World): Promise<Shown> => {
        await refuseUnwritable(options.out)
        const report = await planFailover(world, requestOf(options))
        await writeOutput(options.out, `${JSON.stringify(report.plan, null, 2)}\n`)
        const { status: _, ...result } = report
        return {
          result,
          text: `${planText(report, style())}\nThe plan is in ${options.out}.`,
          exit: report.executable ? EXIT.ok : EXIT.refused,
        }
      }
      return operate(program, 'observer', plan, (stack) => refuseImpossible(stack, requestOf(options)))
    })
}

/** The requested move. Throws `input-invalid` for a loss that is not a duration. */
function requestOf({ mode, to, from, acceptDataLoss }: PlanOptions): MoveRequest {
  return {
    mode,
    ...(to === undefined ? {} : { to }),
    ...(from === undefined ? {} : { from }),
    ...(acceptDataLoss === undefined ? {} : { acceptLoss: readAcceptedLoss(acceptDataLoss, '--accept-data-loss') }),
  }
}

function addExecute(program: Command, failover: Command): void {
  withApproval(failover.command('execute').description('execute a plan whose digest you reviewed'))
    .requiredOption('--plan <file>', 'the plan')
    .requiredOption('--reason <text>', 'why this is done without a reviewer on GitHub; goes into the evidence')
    .action((options: LocalApprovalOptions & { plan: string }) =>
      operate(program, 'mover', async (world, learn) => {
        tellUsual(world, learn)
        const attempt = attemptOf(world, 'execute', options)
        const refusals = refusalsIn(world)
        const plan = await recordingRefusal(refusals, attempt, () => readPlan(options.plan, null))
        const approval = await recordingRefusal(refusals, { ...attempt, plan }, () =>
          localApproval(world, plan, options),
        )
        return shown(await executeFailover(world, plan, approval), 'moved')
      }),
    )
}

/** The durations of former runs for the live view; read in parallel, so that the run does not wait for them. */
function tellUsual(world: World, learn: Learn): void {
  void learnFrom(world.store).then(learn)
}

type ContinueOptions = Partial<LocalApprovalOptions> & { readonly run?: string }

/** The approval of the run holds until its plan expires; a reason says that a new one is given. */
function addContinue(program: Command, failover: Command, operation: 'resume' | 'abort', description: string): void {
  withApproval(failover.command(operation).description(description))
    .option('--run <id>', 'the run; default: the run that has not released its lock')
    .option(
      '--reason <text>',
      operation === 'resume'
        ? 'a new approval, when the plan has expired: why it is given'
        : 'why the run is taken back; goes into its journal',
    )
    .action((options: ContinueOptions) =>
      operate(program, 'mover', async (world, learn) => {
        tellUsual(world, learn)
        const attempt = attemptOf(world, operation, options)
        const refusals = refusalsIn(world)
        const kept = await recordingRefusal(refusals, attempt, () => readRun(patiently(world), options.run ?? null))
        const { plan, run } = kept
        const isNew = await recordingRefusal(refusals, { ...attempt, plan, run }, async () =>
          hasApproval(operation, options, world.stack),
        )
        const { by, reason } = attempt.asked
        const allowed = async (): Promise<Approval> => {
          if (isNew) return localApproval(world, plan, { ...options, reason: options.reason ?? '' }, { operation, run })
          if (operation === 'abort') return abortApproval({ run, digest: digestOf(plan), requestedBy: by, reason })
          const github = gitHubFromTerminal(process.env, world.signal)
          const { digest = null } = options
          return readResumeApproval({
            stored: kept.approval,
            run,
            plan,
            stack: world.stack,
            now: await witnessTime(world.store, world.clock),
            digest,
            requestedBy: by,
            github,
          })
        }
        return shown(
          await continueFailover(world, kept, operation, allowed, { by, reason }),
          operation === 'abort' ? 'undone' : 'moved',
        )
      }),
    )
}

/** The request of this terminal, which is not proven yet. */
function attemptOf({ stack }: World, operation: Attempt['operation'], options: ContinueOptions): Attempt {
  const { reason = null, digest = null, requestedBy = userOf(process.env), run = null } = options
  return { stack: stack.name, operation, asked: { by: requestedBy, reason, from: null }, digest, run, plan: null }
}

/**
 * Whether these options ask for a new approval. Signatures without a reason are an incomplete approval, and never
 * ignored. For a resume, a reason asks for one, unless reviewers on GitHub are declared and only the digest is given
 * with it; the digest alone names the reviewed plan. An abort needs no approval, and its reason only says why.
 */
export function hasApproval(
  operation: 'resume' | 'abort',
  options: ContinueOptions,
  { approval: { github } }: Pick<Stack, 'approval'>,
): boolean {
  const { reason, digest, signature } = options
  const given =
    signature !== undefined ||
    (digest !== undefined && (operation === 'abort' || (reason !== undefined && github === undefined)))
  if (reason !== undefined) return given || (operation === 'resume' && digest === undefined)
  if (!given) return false
  throw inputError('reason-missing', 'a new approval needs a --reason', { next: 'Say why; it goes into the evidence.' })
}

const withApproval = (command: Command): Command =>
  command
    .option('--digest <sha256>', 'the digest that was reviewed; signatures contain it')
    .option('--signature <files...>', 'signatures over what `failover approve` prints')
    .option('--requested-by <name>', 'who asks for the move, as signed; default: your user')

/** A move that ended as requested is a success; one that took itself back is not. */
function shown(report: MoveReport, asked: MoveReport['verdict']): Shown {
  const otherwise = report.verdict === 'refused' ? EXIT.refused : EXIT.failed
  const exit = report.verdict === asked ? EXIT.ok : otherwise
  return { result: report, text: moveText(report, style()), exit: exitAfter(report.failure, exit) }
}
