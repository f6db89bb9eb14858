import { refuseApprovingEnvironment } from '../approval/approving-environment.ts'
import { gitHubRunUrl } from '../approval/github-run.ts'
import type { Purpose } from '../approval/purpose.ts'
import { readGitHubApproval } from '../approval/read-approval.ts'
import { openGitHub } from '../clients/github.ts'
import { connect, systemClock, type World } from '../composition/connect.ts'
import { openWitness } from '../composition/open-witness.ts'
import type { Approval } from '../domain/approval.ts'
import type { Mode, Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { continueFailover, patiently, readRun } from '../operations/continue-failover.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan, refuseOtherTarget } from '../operations/read-plan.ts'
import { type Attempt, type RefusalLog, recordingRefusal, refusalsIn } from '../operations/record-refusal.ts'
import { refuseImpossible } from '../planning/resolve-intent.ts'
import { moveSummary } from '../reporting/move-summary.ts'
import { planSummary } from '../reporting/plan-summary.ts'
import { refuseUnwritable, writeOutput } from '../runtime/output-file.ts'
import { loadStack } from '../stack/load-stack.ts'
import { type FailoverInputs, mask, readCredentials, readFailoverInputs, setOutput } from './inputs.ts'
import { actionLog, phaseGroups } from './log.ts'
import { finish, type Outcome } from './outcome.ts'

type PlanInputs = Extract<FailoverInputs, { operation: 'plan' }>
type ExecuteInputs = Extract<FailoverInputs, { operation: 'execute' }>
type ContinueInputs = Exclude<FailoverInputs, PlanInputs | ExecuteInputs>

/**
 * The reviewed move: one job plans, a protected environment waits for its reviewer, another job executes; a third may
 * continue it.
 */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readFailoverInputs()
    const stack = await loadStack(inputs.stack, { drivers, witnesses })
    if (inputs.operation === 'plan') {
      refuseApprovingEnvironment(stack, inputs.environment)
      refuseImpossible(stack, inputs.request)
    }
    const { work, recorded } = await prepare(stack, inputs, signal)
    // A plan is made with the observer's rights: no reviewer has approved anything yet.
    const identity = inputs.operation === 'plan' ? 'observer' : 'mover'
    const groups = phaseGroups()
    const world = await recorded(() =>
      connect({
        stackPath: inputs.stack,
        stack,
        signal,
        log: actionLog,
        ...readCredentials(),
        identity,
        mask,
        listener: groups.listener,
      }),
    )
    try {
      return await work(world)
    } finally {
      groups.end()
      await world.close()
    }
  })

interface Prepared {
  /** The work to do with a world. */
  readonly work: (world: World) => Promise<Outcome>
  /**
   * Records why a move could not connect: a kubeconfig that cannot be read, a missing credential.
   */
  readonly recorded: <T>(connecting: () => Promise<T>) => Promise<T>
}

/** Judges a given plan before any credential of a site is read; the plan of a begun run is in the witness. */
async function prepare(stack: Stack, inputs: FailoverInputs, signal: AbortSignal): Promise<Prepared> {
  if (inputs.operation === 'plan')
    return { work: (world) => plan(world, inputs), recorded: (connecting) => connecting() }
  const attempt = attemptOf(stack, inputs)
  // A refusal here is recorded too: with the witness's own credentials, and no others.
  const refusals: RefusalLog = {
    store: () => openWitness(stack, readCredentials().env, mask),
    clock: systemClock,
    log: actionLog,
  }
  if (inputs.operation !== 'execute')
    return {
      work: (world) => continueRun(world, inputs),
      recorded: (connecting) => recordingRefusal(refusals, attempt, connecting),
    }
  const approved = await recordingRefusal(refusals, attempt, () => readPlan(inputs.planPath, inputs.to))
  const approval = await recordingRefusal(refusals, { ...attempt, plan: approved }, () =>
    reviewOf(stack, approved, inputs, signal, { operation: 'execute' }),
  )
  return {
    work: async (world) => outcomeOf(await executeFailover(world, approved, approval), 'moved'),
    recorded: (connecting) => recordingRefusal(refusals, { ...attempt, plan: approved }, connecting),
  }
}

async function plan(world: World, inputs: PlanInputs): Promise<Outcome> {
  const madeIn = gitHubRunUrl(process.env)
  await refuseUnwritable(inputs.planPath)
  const report = await planFailover(world, inputs.request, madeIn === null ? {} : { madeIn })
  await writeOutput(inputs.planPath, `${JSON.stringify(report.plan, null, 2)}\n`)
  setOutput('plan', inputs.planPath)
  setOutput('digest', report.digest)
  setOutput('to', report.plan.intent.to)
  const blocking = report.plan.findings.filter((finding) => finding.severity === 'blocker')
  return {
    decision: report.executable ? 'continue' : 'stop',
    reasonCode: blocking[0]?.code ?? 'plan-ready',
    result: { plan: report.plan, digest: report.digest, executable: report.executable },
    summary: planSummary(report),
    failure: report.executable
      ? null
      : `this move is refused: ${blocking.map((finding) => `${finding.code}: ${finding.what}`).join('; ')}`,
  }
}

/** Resume and abort: approved by the reviewer of this GitHub run, for the named run of the stack. */
async function continueRun(world: World, inputs: ContinueInputs): Promise<Outcome> {
  const { operation } = inputs
  const attempt = attemptOf(world.stack, inputs)
  const refusals = refusalsIn(world)
  const kept = await recordingRefusal(refusals, attempt, () => readRun(patiently(world), inputs.run))
  const { plan: begun, run } = kept
  const approval = await recordingRefusal(refusals, { ...attempt, plan: begun, run }, async () => {
    refuseOtherTarget(begun, inputs.to)
    return reviewOf(world.stack, begun, inputs, world.signal, { operation, run })
  })
  return outcomeOf(
    await continueFailover(world, kept, operation, async () => approval),
    operation === 'abort' ? 'undone' : 'moved',
  )
}

/** The request of this job as the runner says it, which is not proven yet. */
function attemptOf(stack: Stack, { operation, digest, ...inputs }: ExecuteInputs | ContinueInputs): Attempt {
  const { GITHUB_ACTOR: actor = 'unknown', GITHUB_TRIGGERING_ACTOR: by = actor } = process.env
  const run = 'run' in inputs ? inputs.run : null
  return {
    stack: stack.name,
    operation,
    asked: { by, reason: null, from: gitHubRunUrl(process.env) },
    digest,
    run,
    plan: null,
  }
}

/** The approval, read back from GitHub; throws every reason against it. */
function reviewOf(
  stack: Stack,
  approved: Plan,
  { token, digest }: ExecuteInputs | ContinueInputs,
  signal: AbortSignal,
  purpose: Purpose,
): Promise<Approval> {
  const github = openGitHub({
    token,
    repository: process.env.GITHUB_REPOSITORY ?? '',
    signal,
    ...(process.env.GITHUB_API_URL === undefined ? {} : { apiUrl: process.env.GITHUB_API_URL }),
  })
  return readGitHubApproval({ github, stack, plan: approved, digest, env: process.env, now: new Date(), purpose })
}

/** The reason code of a run of each mode that ended as requested. */
const REASON_OF_END = {
  switchover: 'moved',
  failover: 'moved',
  follow: 'moved',
  rejoin: 'rejoined',
  reopen: 'reopened',
} as const satisfies Record<Mode, ReasonCode>

function outcomeOf(report: MoveReport, asked: MoveReport['verdict']): Outcome {
  setOutput('run', report.run)
  setOutput('digest', report.digest)
  setOutput('to', report.to)
  const done = report.verdict === asked
  const otherwise = report.verdict === 'refused' ? 'stop' : 'failure'
  return {
    decision: done ? 'complete' : otherwise,
    reasonCode: report.failure?.code ?? (report.verdict === 'undone' ? 'aborted' : REASON_OF_END[report.mode]),
    result: report,
    summary: moveSummary(report),
    failure: done ? null : `failover ${report.verdict}: ${report.failure?.code ?? ''} ${report.failure?.what ?? ''}`,
  }
}
