import type { GitHubClient } from '../clients/github.ts'
import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import { asStandbyError, inputError, StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import { gitHubRunUrl } from './github-run.ts'
import { jobStart } from './job-start.ts'
import { type ApprovalEvidence, approversOf, judgeApproval } from './judge-approval.ts'
import type { Gate } from './judge-environment.ts'
import { planInQuestion } from './judge-plan.ts'
import { EXECUTE, type Purpose } from './purpose.ts'
import { refuseFirst } from './refusal.ts'

export interface ApprovalRequest {
  readonly github: GitHubClient
  readonly stack: Stack
  readonly plan: Plan
  /** The digest that the reviewer saw. */
  readonly digest: string
  /** Of the job that executes: GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT, GITHUB_REF, GITHUB_SHA. */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * The time to use where GitHub's answers carry none. An expiry is never judged by the runner's clock, which anyone
   * may set.
   */
  readonly now: Date
  /** To execute, when absent. */
  readonly purpose?: Purpose
}

/**
 * The approval of exactly this run, read back from GitHub. Throws the first reason to refuse, and names all. An answer
 * that cannot be read refuses.
 */
export async function readGitHubApproval(request: ApprovalRequest): Promise<Approval> {
  const [evidence, jobStartedAt] = await Promise.all([gather(request), jobStart(request)])
  refuseFirst(judgeApproval(evidence), `GitHub run ${evidence.run.id}`)
  return {
    kind: 'github-environment',
    digest: request.digest,
    approvers: approversOf(evidence),
    requestedBy: evidence.run.actor.login,
    reason: null,
    proof: {
      purpose: { ...evidence.expected.purpose },
      run: evidence.run.id,
      url: evidence.expected.runUrl,
      attempt: evidence.run.run_attempt,
      jobStartedAt,
      sha: evidence.run.head_sha,
      environments: evidence.gates.map(({ environment: { id, name } }) => ({ id, name })),
      approvals: JSON.parse(JSON.stringify(evidence.approvals)) as JsonObject[],
    },
  }
}

/**
 * For asking GitHub again from outside of it: an object in the witness does not prove that a run was approved.
 */
export type AskedAgain = Omit<ApprovalRequest, 'env' | 'purpose'>

/**
 * The approval of the GitHub run that made this plan, read back from outside of that run, for a person who brings the
 * reviewed digest. Judged as in the run itself, by what the stack file demands and GitHub says now. The tip of the
 * branch is not compared, because it may have moved since the run began: the stack file's digest must be the plan's.
 * Throws the first reason to refuse.
 */
export async function readGitHubApprovalAgain(request: AskedAgain): Promise<Approval> {
  const { plan, github, stack } = request
  const { url, runId } = runOfPlan(plan)
  const run = readable(`the run ${runId}`, await settled(github.run(runId)))
  const ref = `refs/heads/${stack.approval.github?.branch ?? ''}`
  const [server, repository] = [new URL(url).origin, repositoryOf(url)]
  const env = {
    GITHUB_SERVER_URL: server,
    GITHUB_REPOSITORY: repository,
    GITHUB_RUN_ID: String(runId),
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_REF: ref,
    GITHUB_SHA: run.head_sha,
  }
  return readGitHubApproval({
    ...request,
    github: { ...github, branchTip: async () => run.head_sha, jobs: async () => [] },
    env,
  })
}

/** The GitHub run that made a plan. Throws `approval-unproven` where it was made elsewhere. */
export function runOfPlan({ madeIn, id }: Plan): { readonly url: string; readonly runId: number } {
  const runId = Number(
    /^https:\/\/[^/\s?#]+\/[^/\s?#]+\/[^/\s?#]+\/actions\/runs\/([1-9]\d{0,15})$/.exec(madeIn ?? '')?.[1],
  )
  if (madeIn !== undefined && Number.isSafeInteger(runId)) return { url: madeIn, runId }
  throw new StandbyError({
    code: 'approval-unproven',
    mustAct: 'approval',
    what: `the plan ${id} was made ${madeIn === undefined ? 'outside of GitHub' : `in ${madeIn}`}: there is no run of GitHub that could have been approved`,
    next: 'Get a new approval for this run. Nothing was changed now.',
  })
}

/** `owner/name` of an address of a run. */
export const repositoryOf = (url: string): string => new URL(url).pathname.split('/').slice(1, 3).join('/')

async function gather({
  github,
  stack,
  plan,
  digest,
  env,
  now,
  purpose = EXECUTE,
}: ApprovalRequest): Promise<ApprovalEvidence> {
  const declared = stack.approval.github
  if (declared === undefined)
    throw inputError('approval-not-declared', `the stack file of ${stack.name} names no GitHub environment`, {
      next: 'Add approval.github: { environment, branch }.',
    })
  const { branch, approvers } = declared
  const job = jobOf(env)
  // All run in parallel. The first failure in this order is reported, so the code does not depend on which answer came
  // first.
  const [gates, run, approvals, branchTip] = await Promise.all([
    Promise.all(declared.environments.map((name) => askGate(github, name))),
    settled(github.run(job.runId)),
    settled(github.approvals(job.runId)),
    settled(github.branchTip(branch)),
  ])
  return {
    expected: { branch, approvers, ...job, digest, purpose },
    // Asked when all have answered.
    now: (github.time() ?? now).toISOString(),
    plan: planInQuestion(plan),
    gates: gates.map((gate) => gate()),
    run: readable(`the run ${job.runId}`, run),
    approvals: readable(`the approvals of run ${job.runId}`, approvals),
    branchTip: readable(`the branch ${branch}`, branchTip),
  }
}

/** What the runner says of this job. Without all of it one job cannot be distinguished from another. */
function jobOf(
  env: ApprovalRequest['env'],
): Pick<ApprovalEvidence['expected'], 'runId' | 'runUrl' | 'attempt' | 'ref' | 'sha'> {
  const runId = Number(env.GITHUB_RUN_ID)
  const attempt = Number(env.GITHUB_RUN_ATTEMPT)
  const runUrl = gitHubRunUrl(env)
  const { GITHUB_REF: ref, GITHUB_SHA: sha } = env
  const counted = [runId, attempt].every((number) => Number.isSafeInteger(number) && number > 0)
  if (!counted || ref === undefined || sha === undefined || runUrl === null)
    throw inputError(
      'not-in-github',
      'GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT, GITHUB_REF and GITHUB_SHA are not set',
      {
        next: 'Execute in a workflow, or with the command line.',
      },
    )
  return { runId, runUrl, attempt, ref, sha }
}

/**
 * Asks for an environment and its branches. Returns a function that gives the answer, or throws the reason why there is
 * none.
 */
async function askGate(github: GitHubClient, name: string): Promise<() => Gate> {
  const [environment, branchPolicies] = await Promise.all([
    settled(github.environment(name)),
    settled(github.branchPolicies(name)),
  ])
  return () => ({
    name,
    environment: readable(`the environment ${name}`, environment, 'environment-missing'),
    branchPolicies: readable(`the list of branches of ${name}`, branchPolicies),
  })
}

async function settled<T>(answer: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([answer])
  return result
}

/**
 * The answer, or a refusal with the code for what GitHub does not have: a gate that cannot be read has not been shown
 * to exist.
 */
function readable<T>(what: string, answer: PromiseSettledResult<T>, code: ReasonCode = 'approval-unreadable'): T {
  if (answer.status === 'fulfilled') return answer.value
  const reason = asStandbyError(answer.reason)
  throw new StandbyError({
    code: reason.code === 'github-not-found' ? code : 'approval-unreadable',
    mustAct: 'approval',
    what: `${what} cannot be read: ${reason.message}. A gate that cannot be read has not been shown to exist`,
    where: 'GitHub',
    next: `${reason.next ?? 'The job needs permissions: actions: read, contents: read.'} Nothing was changed.`,
    cause: reason,
  })
}
