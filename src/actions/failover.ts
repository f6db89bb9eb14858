import { writeFile } from 'node:fs/promises'
import { gitHubRunUrl } from '../approval/github-run.ts'
import { readGitHubApproval } from '../approval/read-approval.ts'
import { openGitHub } from '../clients/github.ts'
import { connect, type World } from '../composition.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import { moveSummary, planSummary } from '../evidence/summary.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan } from '../operations/read-plan.ts'
import type { Approval } from '../operations/reports.ts'
import type { Plan } from '../planning/plan.ts'
import { loadStack } from '../stack/load-stack.ts'
import type { Stack } from '../stack/stack.ts'
import { type FailoverInputs, mask, readCredentials, readFailoverInputs, setOutput } from './inputs.ts'
import { actionLog, phaseGroups } from './log.ts'
import { finish, type Outcome } from './outcome.ts'

type PlanInputs = Extract<FailoverInputs, { operation: 'plan' }>
type ExecuteInputs = Extract<FailoverInputs, { operation: 'execute' }>

/** The reviewed move: one job plans, a protected environment waits for its reviewer, another job executes. */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readFailoverInputs()
    const stack = await loadStack(inputs.stack, { drivers, witnesses })
    const work = await prepare(stack, inputs, signal)
    const groups = phaseGroups()
    const world = await connect({
      stackPath: inputs.stack,
      stack,
      signal,
      log: actionLog,
      env: readCredentials(),
      mask,
      listener: groups.listener,
    })
    try {
      return await work(world)
    } finally {
      groups.end()
      await world.close()
    }
  })

/** What is to be done with a world. What needs an approval is judged before any credential of a site is read. */
async function prepare(stack: Stack, inputs: FailoverInputs, signal: AbortSignal): Promise<(world: World) => Promise<Outcome>> {
  if (inputs.operation === 'plan') return (world) => plan(world, inputs)
  const approved = await readApproved(stack, inputs, signal)
  return (world) => execute(world, approved)
}

async function plan(world: World, inputs: PlanInputs): Promise<Outcome> {
  const madeIn = gitHubRunUrl(process.env)
  const report = await planFailover(world, {
    to: inputs.to,
    ...(inputs.from === null ? {} : { from: inputs.from }),
    ...(madeIn === null ? {} : { madeIn }),
  })
  await writeFile(inputs.planPath, `${JSON.stringify(report.plan, null, 2)}\n`)
  setOutput('plan', inputs.planPath)
  setOutput('digest', report.digest)
  const blocking = report.plan.findings.filter((finding) => finding.severity === 'blocker')
  return {
    decision: report.executable ? 'continue' : 'stop',
    reasonCode: blocking[0]?.code ?? 'plan-ready',
    result: { plan: report.plan, digest: report.digest, executable: report.executable },
    summary: planSummary(report),
    failure: report.executable ? null : `this move is refused: ${blocking.map((finding) => `${finding.code}: ${finding.what}`).join('; ')}`,
  }
}

interface Approved {
  readonly plan: Plan
  readonly approval: Approval
}

/** The plan and its approval, read back from GitHub; throws every reason against it. */
async function readApproved(stack: Stack, inputs: ExecuteInputs, signal: AbortSignal): Promise<Approved> {
  const plan = await readPlan(inputs.planPath, inputs.to)
  const github = openGitHub({
    token: inputs.token,
    repository: process.env.GITHUB_REPOSITORY ?? '',
    signal,
    ...(process.env.GITHUB_API_URL === undefined ? {} : { apiUrl: process.env.GITHUB_API_URL }),
  })
  const approval = await readGitHubApproval({ github, stack, plan, digest: inputs.digest, env: process.env, now: new Date() })
  return { plan, approval }
}

async function execute(world: World, approved: Approved): Promise<Outcome> {
  const report = await executeFailover(world, approved.plan, approved.approval)
  setOutput('run', report.run)
  setOutput('digest', report.digest)
  const moved = report.verdict === 'moved'
  return {
    decision: moved ? 'complete' : report.verdict === 'refused' ? 'stop' : 'failure',
    reasonCode: report.failure?.code ?? 'moved',
    result: report,
    summary: moveSummary(report),
    failure: moved ? null : `failover ${report.verdict}: ${report.failure?.code ?? ''} ${report.failure?.what ?? ''}`,
  }
}
