import type { GitHubBranchPolicy, GitHubEnvironment, GitHubProtectionRule } from '../clients/github.ts'
import { type Refusal, refusal } from './refusal.ts'

/** One protected environment, as GitHub shows it, under the name by which the stack file demands it. */
export interface Gate {
  readonly name: string
  readonly environment: GitHubEnvironment
  readonly branchPolicies: readonly GitHubBranchPolicy[]
}

/**
 * Every reason why this environment does not protect. GitHub's gate fails open, so what is missing counts as off. Pure.
 */
export function judgeEnvironment({ name, environment, branchPolicies }: Gate, branch: string): Refusal[] {
  const where = `the environment ${name}`
  const found: Refusal[] = []
  if (environment.name !== name)
    found.push(
      refusal(
        'environment-mismatch',
        `GitHub answered with the environment ${environment.name}`,
        'Check the name in the stack file.',
      ),
    )
  const rules = reviewerRulesOf(environment)
  if (rules.length === 0 || rules.some((rule) => (rule.reviewers ?? []).length === 0))
    found.push(
      refusal(
        'environment-unprotected',
        `${where} demands no reviewer`,
        'Add required reviewers in the settings of the environment.',
      ),
    )
  if (rules.some((rule) => rule.prevent_self_review !== true))
    found.push(
      refusal('self-review-allowed', `${where} lets people approve their own runs`, 'Tick "Prevent self-review".'),
    )
  if (environment.can_admins_bypass !== false)
    found.push(
      refusal(
        'admins-can-bypass',
        `${where} lets administrators bypass its rules, or does not say`,
        'Untick "Allow administrators to bypass configured protection rules".',
      ),
    )
  return [...found, ...ofBranches(environment, branchPolicies, branch, where)]
}

function ofBranches(
  { deployment_branch_policy: policy }: GitHubEnvironment,
  branchPolicies: readonly GitHubBranchPolicy[],
  branch: string,
  where: string,
): Refusal[] {
  const allowed = branchPolicies.map((one) => `${one.type ?? 'branch'} ${one.name}`)
  const exact =
    policy?.custom_branch_policies === true &&
    !policy.protected_branches &&
    allowed.length === 1 &&
    allowed[0] === `branch ${branch}`
  if (exact) return []
  const what = `${where} may be used from ${openTo(policy, allowed)}`
  return [refusal('branch-policy-open', what, `Allow exactly the branch ${branch}.`)]
}

function openTo(policy: GitHubEnvironment['deployment_branch_policy'], allowed: readonly string[]): string {
  if (policy === null) return 'any branch'
  if (policy.protected_branches) return 'any protected branch'
  return allowed.length === 0 ? 'nothing that GitHub names' : allowed.join(', ')
}

const reviewerRulesOf = (environment: GitHubEnvironment): GitHubProtectionRule[] =>
  environment.protection_rules.filter((rule) => rule.type === 'required_reviewers')

/**
 * The rule does not name members of teams: where a team may review, this relies on GitHub's own check. People are
 * compared by id, because a login can be taken over.
 */
export function mayReview(environment: GitHubEnvironment, user: { readonly id: number }): boolean {
  const reviewers = reviewerRulesOf(environment).flatMap((rule) => rule.reviewers ?? [])
  return reviewers.some((one) => one.type === 'Team' || (one.type === 'User' && one.reviewer.id === user.id))
}
