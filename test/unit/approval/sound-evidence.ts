import type { ApprovalEvidence } from '../../../src/approval/judge-approval.ts'
import type { SiteName } from '../../../src/domain/stack.ts'

const sha = 'c0ffee'.padEnd(40, '0')
const digest = 'd1'.repeat(32)
const runUrl = 'https://github.com/acme/stacks/actions/runs/501'

/** A run that one of two reviewers, not its starter, approved in a well protected environment. */
export const SOUND: ApprovalEvidence = {
  expected: {
    branch: 'main',
    approvers: 1,
    runId: 501,
    runUrl,
    ref: 'refs/heads/main',
    sha,
    attempt: 1,
    digest,
    purpose: { operation: 'execute' },
  },
  now: '2026-11-21T05:30:00.000Z',
  plan: {
    digest,
    expiresAt: '2026-11-21T07:00:00.000Z',
    intent: { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName },
    madeIn: runUrl,
  },
  gates: [
    {
      name: 'production-failover',
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
    },
  ],
  run: {
    id: 501,
    run_attempt: 1,
    event: 'workflow_dispatch',
    head_sha: sha,
    head_branch: 'main',
    path: '.github/workflows/failover.yml',
    actor: { id: 10, login: 'sam', type: 'User' },
    triggering_actor: { id: 10, login: 'sam', type: 'User' },
  },
  approvals: [
    {
      state: 'approved',
      user: { id: 20, login: 'rita', type: 'User' },
      comment: 'go',
      environments: [{ id: 71, name: 'production-failover' }],
    },
  ],
  branchTip: sha,
}
