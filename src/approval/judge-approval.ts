import type { GitHubApproval, GitHubBranchPolicy, GitHubEnvironment, GitHubProtectionRule, GitHubRun } from '../clients/github.ts'

/** All that an approval is judged by, as GitHub said it. */
export interface ApprovalEvidence {
  readonly expected: {
    readonly environment: string
    readonly branch: string
    readonly runId: number
    /** `GITHUB_REF` of this job: GitHub matches the environment's branches against it, and a tag may be called like a branch. */
    readonly ref: string
    /** `GITHUB_SHA` of this job. */
    readonly sha: string
    /** `GITHUB_RUN_ATTEMPT` of this job. */
    readonly attempt: number
    readonly digest: string
  }
  /** Digest of the plan that is about to be executed, computed here. */
  readonly digest: string
  readonly environment: GitHubEnvironment
  readonly branchPolicies: readonly GitHubBranchPolicy[]
  readonly run: GitHubRun
  readonly approvals: readonly GitHubApproval[]
  readonly branchTip: string
}

/** One reason against an approval. */
export interface Refusal {
  readonly code: string
  readonly what: string
  readonly next: string
}

/**
 * Every reason to refuse; empty when this very run was allowed by a reviewer. GitHub's gate fails open (an unknown environment is created
 * without rules), so nothing is taken for granted: what is missing counts as off. Pure.
 */
export function judgeApproval(evidence: ApprovalEvidence): Refusal[] {
  return [...ofPlan(evidence), ...ofEnvironment(evidence), ...ofRun(evidence), ...ofApprovals(evidence)]
}

function ofPlan({ expected, digest }: ApprovalEvidence): Refusal[] {
  return digest === expected.digest
    ? []
    : [
        refusal(
          'digest-mismatch',
          `the approved digest is ${expected.digest}, this plan has ${digest}`,
          'Hand over the plan of the plan job, unchanged.',
        ),
      ]
}

const reviewersOf = (environment: GitHubEnvironment): GitHubProtectionRule | undefined =>
  environment.protection_rules.find((rule) => rule.type === 'required_reviewers')

function ofEnvironment({ environment, expected, branchPolicies }: ApprovalEvidence): Refusal[] {
  const found: Refusal[] = []
  const where = `the environment ${expected.environment}`
  if (environment.name !== expected.environment)
    found.push(
      refusal('environment-mismatch', `GitHub answered with the environment ${environment.name}`, 'Check the name in the stack file.'),
    )
  const rule = reviewersOf(environment)
  if (rule === undefined || (rule.reviewers ?? []).length === 0)
    found.push(
      refusal('environment-unprotected', `${where} demands no reviewer`, 'Add required reviewers in the settings of the environment.'),
    )
  if (rule !== undefined && rule.prevent_self_review !== true)
    found.push(refusal('self-review-allowed', `${where} lets people approve their own runs`, 'Tick "Prevent self-review".'))
  if (environment.can_admins_bypass !== false)
    found.push(
      refusal(
        'admins-can-bypass',
        `${where} lets administrators bypass its rules, or does not say`,
        'Untick "Allow administrators to bypass configured protection rules".',
      ),
    )
  const policy = environment.deployment_branch_policy
  const allowed = branchPolicies.map((one) => `${one.type ?? 'branch'} ${one.name}`)
  const exact = policy?.custom_branch_policies === true && allowed.length === 1 && allowed[0] === `branch ${expected.branch}`
  if (!exact)
    found.push(
      refusal(
        'branch-policy-open',
        `${where} may be used from ${policy === null ? 'any branch' : policy.protected_branches ? 'any protected branch' : allowed.join(', ') || 'nothing that GitHub names'}`,
        `Allow exactly the branch ${expected.branch}.`,
      ),
    )
  return found
}

function ofRun({ run, expected, branchTip }: ApprovalEvidence): Refusal[] {
  const found: Refusal[] = []
  if (run.id !== expected.runId) found.push(refusal('run-mismatch', `GitHub answered with the run ${run.id}`, 'Start the workflow anew.'))
  // Entries carry no time and no attempt: an approval of attempt 1 can not be told from one of attempt 2.
  if (run.run_attempt !== 1 || expected.attempt !== 1)
    found.push(
      refusal(
        'rerun-refused',
        `this is attempt ${Math.max(run.run_attempt, expected.attempt)} of the run`,
        'Start the workflow anew: a re-run would use an old approval.',
      ),
    )
  if (run.head_branch !== expected.branch || expected.ref !== `refs/heads/${expected.branch}`)
    found.push(
      refusal(
        'branch-not-allowed',
        `the run belongs to ${run.head_branch ?? '(no branch)'}, this job to ${expected.ref}`,
        `Start it from the branch ${expected.branch}.`,
      ),
    )
  if (run.head_sha !== expected.sha)
    found.push(refusal('run-mismatch', `the run is of ${run.head_sha}, this job of ${expected.sha}`, 'Start the workflow anew.'))
  if (branchTip !== expected.sha)
    found.push(
      refusal(
        'branch-moved',
        `${expected.branch} is at ${branchTip}, this run is of ${expected.sha}`,
        'Start the workflow from the newest commit.',
      ),
    )
  return found
}

/** By id and name: a deleted environment that was made anew has another id. */
const entriesOf = (approvals: readonly GitHubApproval[], { id, name }: GitHubEnvironment): GitHubApproval[] =>
  approvals.filter((entry) => entry.environments.some((one) => one.id === id && one.name === name))

function ofApprovals({ approvals, environment, run, expected }: ApprovalEvidence): Refusal[] {
  const ours = entriesOf(approvals, environment)
  if (ours.some((entry) => entry.state === 'rejected'))
    return [refusal('approval-rejected', `${expected.environment} was rejected for this run`, 'Ask the reviewer.')]
  const given = ours.filter((entry) => entry.state === 'approved')
  if (given.length === 0)
    return [
      refusal(
        'not-approved',
        `nobody approved ${expected.environment} for this run`,
        'The job must name the environment, and a reviewer must approve it.',
      ),
    ]
  const independent = given.filter((entry) => !requestersOf(run).includes(entry.user.id))
  if (independent.length === 0)
    return [
      refusal(
        'approver-is-requester',
        `${given.map((entry) => entry.user.login).join(', ')} started this run and approved it`,
        'Somebody else must approve.',
      ),
    ]
  return independent.some((entry) => mayReview(environment, entry.user))
    ? []
    : [
        refusal(
          'approver-not-reviewer',
          `${independent.map((entry) => entry.user.login).join(', ')} is no reviewer of ${expected.environment}`,
          'One of its reviewers must approve.',
        ),
      ]
}

/** By id: a login can be renamed and taken over. */
const requestersOf = (run: GitHubRun): number[] => [run.actor.id, run.triggering_actor.id]

/** Members of teams are not named by the rule: where a team may review, GitHub's own check has to do. */
function mayReview(environment: GitHubEnvironment, user: { readonly id: number }): boolean {
  const reviewers = reviewersOf(environment)?.reviewers ?? []
  return reviewers.some((one) => one.type !== 'User' || one.reviewer.id === user.id)
}

/** Who approved: reviewers of the environment who did not start the run. */
export function approversOf({ approvals, environment, run }: ApprovalEvidence): { readonly id: string; readonly name: string }[] {
  return entriesOf(approvals, environment)
    .filter(({ state, user }) => state === 'approved' && !requestersOf(run).includes(user.id) && mayReview(environment, user))
    .map(({ user }) => ({ id: String(user.id), name: user.login }))
}

const refusal = (code: string, what: string, next: string): Refusal => ({ code, what, next })
