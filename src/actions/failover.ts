import { writeFile } from 'node:fs/promises'
import { readGitHubApproval } from '../approval/read-approval.ts'
import { openGitHub } from '../clients/github.ts'
import { connect, type World } from '../composition.ts'
import { inputError } from '../errors.ts'
import { moveSummary, planSummary } from '../evidence/summary.ts'
import { continueFailover, type KeptRun, readRun } from '../operations/continue-failover.ts'
import { executeFailover } from '../operations/execute-failover.ts'
import { planFailover } from '../operations/plan-failover.ts'
import { readPlan, refuseOtherTarget } from '../operations/read-plan.ts'
import type { Plan } from '../planning/plan.ts'
import { type FailoverInputs, mask, readCredentials, readFailoverInputs, setOutput } from './inputs.ts'
import { actionLog, phaseGroups } from './log.ts'
import { finish, type Outcome } from './outcome.ts'

/** The reviewed move: one job plans, a protected environment waits for its reviewer, another job executes. */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readFailoverInputs()
    const groups = phaseGroups()
    const world = await connect({
      stackPath: inputs.stack,
      signal,
      log: actionLog,
      env: readCredentials(),
      mask,
      listener: groups.listener,
    })
    try {
      return inputs.operation === 'plan' ? await plan(world, inputs) : await move(world, inputs)
    } finally {
      groups.end()
      await world.close()
    }
  })

async function plan(world: World, inputs: Extract<FailoverInputs, { operation: 'plan' }>): Promise<Outcome> {
  const report = await planFailover(world, inputs.request)
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

type MoveInputs = Exclude<FailoverInputs, { operation: 'plan' }>

/** Execute, resume and abort: each is allowed by the reviewer of this very run. */
async function move(world: World, inputs: MoveInputs): Promise<Outcome> {
  const kept = inputs.operation === 'execute' ? null : await readRun(world, inputs.run)
  const approved = inputs.operation === 'execute' ? await readPlan(inputs.planPath, inputs.to) : planOf(kept, inputs.to)
  const github = openGitHub({
    token: inputs.token,
    repository: process.env.GITHUB_REPOSITORY ?? '',
    signal: world.signal,
    ...(process.env.GITHUB_API_URL === undefined ? {} : { apiUrl: process.env.GITHUB_API_URL }),
  })
  const approval = await readGitHubApproval({ github, stack: world.stack, plan: approved, digest: inputs.digest, env: process.env })
  const report =
    kept === null || inputs.operation === 'execute'
      ? await executeFailover(world, approved, approval)
      : await continueFailover(world, kept, inputs.operation, approval)
  setOutput('run', report.run)
  setOutput('digest', report.digest)
  const asked = report.verdict === (inputs.operation === 'abort' ? 'undone' : 'moved')
  return {
    decision: asked ? 'complete' : report.verdict === 'refused' ? 'stop' : 'failure',
    reasonCode: report.failure?.code ?? (report.verdict === 'undone' ? 'aborted' : report.mode === 'rejoin' ? 'rejoined' : 'moved'),
    result: report,
    summary: moveSummary(report),
    failure: asked ? null : `failover ${report.verdict}: ${report.failure?.code ?? ''} ${report.failure?.what ?? ''}`,
  }
}

function planOf(kept: KeptRun | null, to: string): Plan {
  if (kept === null) throw inputError('run-unknown', 'there is no run to continue')
  refuseOtherTarget(kept.plan, to)
  return kept.plan
}
