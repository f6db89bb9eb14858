import type { ApprovalEvidence } from '../../../src/approval/judge-approval.ts'

const sha = 'c0ffee'.padEnd(40, '0')
const digest = 'd1'.repeat(32)

/** A run that one of two reviewers, not its starter, approved in a well protected environment. */
export const SOUND: ApprovalEvidence = {
  expected: { environment: 'production-failover', branch: 'main', runId: 501, ref: 'refs/heads/main', sha, attempt: 1, digest },
  digest,
  environment: {
    id: 71,
    name: 'production-failover',
    can_admins_bypass: false,
    protection_rules: [
      { type: 'wait_timer' },
      {
        type: 'required_reviewers',
        prevent_self_review: true,
        reviewers: [
          { type: 'User', reviewer: { id: 20, login: 'rita' } },
          { type: 'User', reviewer: { id: 21, login: 'omar' } },
        ],
      },
      { type: 'branch_policy' },
    ],
    deployment_branch_policy: { protected_branches: false, custom_branch_policies: true },
  },
  branchPolicies: [{ name: 'main', type: 'branch' }],
  run: {
    id: 501,
    run_attempt: 1,
    event: 'workflow_dispatch',
    head_sha: sha,
    head_branch: 'main',
    path: '.github/workflows/failover.yml',
    actor: { id: 10, login: 'sam' },
    triggering_actor: { id: 10, login: 'sam' },
  },
  approvals: [
    { state: 'approved', user: { id: 20, login: 'rita' }, comment: 'go', environments: [{ id: 71, name: 'production-failover' }] },
  ],
  branchTip: sha,
}
