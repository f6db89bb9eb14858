import type { GitHubClient } from '../clients/github.ts'
import { asStandbyError, inputError, StandbyError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Approval } from '../operations/reports.ts'
import type { Plan } from '../planning/plan.ts'
import { digestOf } from '../planning/plan-digest.ts'
import type { Stack } from '../stack/stack.ts'
import { type ApprovalEvidence, approversOf, judgeApproval } from './judge-approval.ts'

export interface ApprovalRequest {
  readonly github: GitHubClient
  readonly stack: Stack
  readonly plan: Plan
  /** The digest that the reviewer saw. */
  readonly digest: string
  /** Of the job that executes: GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT, GITHUB_REF, GITHUB_SHA. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The approval of this very run, read back from GitHub. Throws the first reason against it, naming all; what can not be read refuses. */
export async function readGitHubApproval(request: ApprovalRequest): Promise<Approval> {
  const evidence = await gather(request)
  const refusals = judgeApproval(evidence)
  const first = refusals[0]
  if (first !== undefined)
    throw new StandbyError({
      code: first.code,
      mustAct: 'approval',
      what: refusals.map((refusal) => refusal.what).join('; '),
      where: `GitHub run ${evidence.run.id}`,
      next: `${first.next} Nothing was changed.`,
    })
  return {
    kind: 'github-environment',
    digest: request.digest,
    approvers: approversOf(evidence),
    requestedBy: evidence.run.actor.login,
    reason: null,
    proof: {
      run: evidence.run.id,
      attempt: evidence.run.run_attempt,
      sha: evidence.run.head_sha,
      environment: { id: evidence.environment.id, name: evidence.environment.name },
      approvals: JSON.parse(JSON.stringify(evidence.approvals)) as JsonObject[],
    },
  }
}

async function gather({ github, stack, plan, digest, env }: ApprovalRequest): Promise<ApprovalEvidence> {
  const declared = stack.approval.github
  if (declared === undefined)
    throw inputError('approval-not-declared', `the stack file of ${stack.name} names no GitHub environment`, {
      next: 'Add approval.github: { environment, branch }.',
    })
  const runId = Number(env.GITHUB_RUN_ID)
  const attempt = Number(env.GITHUB_RUN_ATTEMPT)
  const { GITHUB_REF: ref, GITHUB_SHA: sha } = env
  if (![runId, attempt].every((number) => Number.isSafeInteger(number) && number > 0) || ref === undefined || sha === undefined)
    throw inputError('not-in-github', 'GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT, GITHUB_REF and GITHUB_SHA are not set', {
      next: 'Execute in a workflow, or with the command line.',
    })
  // All five side by side; then the first that failed speaks, in this order, so that the code does not depend on which answer came first.
  const [environment, branchPolicies, run, approvals, branchTip] = await Promise.allSettled([
    github.environment(declared.environment),
    github.branchPolicies(declared.environment),
    github.run(runId),
    github.approvals(runId),
    github.branchTip(declared.branch),
  ])
  return {
    expected: { environment: declared.environment, branch: declared.branch, runId, ref, sha, attempt, digest },
    digest: digestOf(plan),
    environment: readable(`the environment ${declared.environment}`, environment, 'environment-missing'),
    branchPolicies: readable(`the list of branches of ${declared.environment}`, branchPolicies),
    run: readable(`the run ${runId}`, run),
    approvals: readable(`the approvals of run ${runId}`, approvals),
    branchTip: readable(`the branch ${declared.branch}`, branchTip),
  }
}

/** The answer, or a refusal with the code for what GitHub does not have: a gate that can not be read has not been shown to exist. */
function readable<T>(what: string, answer: PromiseSettledResult<T>, code = 'approval-unreadable'): T {
  if (answer.status === 'fulfilled') return answer.value
  const reason = asStandbyError(answer.reason)
  throw new StandbyError({
    code: reason.code === 'github-not-found' ? code : 'approval-unreadable',
    mustAct: 'approval',
    what: `${what} can not be read: ${reason.message}. A gate that can not be read has not been shown to exist`,
    where: 'GitHub',
    next: `${reason.next ?? 'The job needs permissions: actions: read, contents: read.'} Nothing was changed.`,
    cause: reason,
  })
}
