import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ApprovalEvidence, approversOf, judgeApproval } from '../../../src/approval/judge-approval.ts'
import type { Gate } from '../../../src/approval/judge-environment.ts'
import { SOUND } from './sound-evidence.ts'

const GATE = SOUND.gates[0] as Gate
const codes = (evidence: ApprovalEvidence): string[] => judgeApproval(evidence).map((refusal) => refusal.code)

const withGate = (change: Partial<Gate>): ApprovalEvidence => ({ ...SOUND, gates: [{ ...GATE, ...change }] })
const withEnvironment = (change: Partial<Gate['environment']>): ApprovalEvidence =>
  withGate({ environment: { ...GATE.environment, ...change } })
const withPlan = (change: Partial<ApprovalEvidence['plan']>): ApprovalEvidence => ({
  ...SOUND,
  plan: { ...SOUND.plan, ...change },
})
const withBranches = (branchPolicies: Gate['branchPolicies']): ApprovalEvidence => withGate({ branchPolicies })
const withRun = (change: Partial<ApprovalEvidence['run']>): ApprovalEvidence => ({
  ...SOUND,
  run: { ...SOUND.run, ...change },
})
const withExpected = (change: Partial<ApprovalEvidence['expected']>): ApprovalEvidence => ({
  ...SOUND,
  expected: { ...SOUND.expected, ...change },
})
const withReviewers = (change: Partial<Gate['environment']['protection_rules'][number]>): ApprovalEvidence =>
  withEnvironment({
    protection_rules: GATE.environment.protection_rules.map((rule) =>
      rule.type === 'required_reviewers' ? { ...rule, ...change } : rule,
    ),
  })
const withSecondRule = (change: Partial<Gate['environment']['protection_rules'][number]>): ApprovalEvidence =>
  withEnvironment({
    protection_rules: GATE.environment.protection_rules.flatMap((rule) =>
      rule.type === 'required_reviewers' ? [rule, { ...rule, ...change }] : [rule],
    ),
  })
const entry = {
  ...SOUND.approvals[0],
  state: 'approved',
  comment: '',
  user: { id: 20, login: 'rita', type: 'User' },
  environments: [GATE.environment],
}
const withEntry = (change: Partial<ApprovalEvidence['approvals'][number]>): ApprovalEvidence => ({
  ...SOUND,
  approvals: [{ ...entry, ...change }],
})
const without = <T extends object>(value: T, name: keyof T): T => {
  const { [name]: _dropped, ...rest } = value
  return rest as T
}

test('a run that a reviewer approved, and not its starter, is allowed', () => {
  expect(judgeApproval(SOUND)).toEqual([])
  expect(approversOf(SOUND)).toEqual([{ id: '20', name: 'rita' }])
})

describe('one thing bent refuses, with its own code and with what to do:', () => {
  const sam = { id: 10, login: 'sam', type: 'User' }
  const bent: readonly [string, string, ApprovalEvidence][] = [
    ['another plan than the reviewed one', 'digest-mismatch', withPlan({ digest: 'e2'.repeat(32) })],
    [
      'a plan of another run',
      'plan-of-another-run',
      withPlan({ madeIn: 'https://github.com/acme/stacks/actions/runs/502' }),
    ],
    ['a plan that was made outside of GitHub', 'plan-of-another-run', withPlan({ madeIn: null })],
    ['a plan that waited too long', 'plan-expired', { ...SOUND, now: SOUND.plan.expiresAt }],
    ['a plan that does not say until when it may wait', 'plan-expired', withPlan({ expiresAt: 'never' })],
    ['a second rule of reviewers without a reviewer', 'environment-unprotected', withSecondRule({ reviewers: [] })],
    [
      'a second rule of reviewers that lets people approve their own runs',
      'self-review-allowed',
      withSecondRule({ prevent_self_review: false }),
    ],
    ['a run that a stranger can start', 'event-not-allowed', withRun({ event: 'pull_request_target' })],
    ['one approver where two must be', 'approvers-too-few', withExpected({ approvers: 2 })],
    ['another environment', 'environment-mismatch', withGate({ name: 'production-fallover' })],
    [
      'no rule at all, as a misspelt environment has',
      'environment-unprotected',
      withEnvironment({ protection_rules: [] }),
    ],
    ['a rule without a reviewer', 'environment-unprotected', withReviewers({ reviewers: [] })],
    [
      'a rule whose reviewers GitHub does not show',
      'environment-unprotected',
      withEnvironment({ protection_rules: [{ type: 'required_reviewers', prevent_self_review: true }] }),
    ],
    ['self-review allowed', 'self-review-allowed', withReviewers({ prevent_self_review: false })],
    [
      'self-review not said',
      'self-review-allowed',
      withEnvironment({
        protection_rules: GATE.environment.protection_rules.map((rule) => without(rule, 'prevent_self_review')),
      }),
    ],
    ['administrators may bypass', 'admins-can-bypass', withEnvironment({ can_admins_bypass: true })],
    [
      'administrators not said',
      'admins-can-bypass',
      withGate({ environment: without(GATE.environment, 'can_admins_bypass') }),
    ],
    ['any branch', 'branch-policy-open', withEnvironment({ deployment_branch_policy: null })],
    [
      'any protected branch',
      'branch-policy-open',
      withEnvironment({ deployment_branch_policy: { protected_branches: true, custom_branch_policies: false } }),
    ],
    [
      'a second branch',
      'branch-policy-open',
      withBranches([...GATE.branchPolicies, { name: 'release/*', type: 'branch' }]),
    ],
    ['a pattern that main matches', 'branch-policy-open', withBranches([{ name: 'm*', type: 'branch' }])],
    ['a tag in place of the branch', 'branch-policy-open', withBranches([{ name: 'main', type: 'tag' }])],
    [
      'a tag beside the branch',
      'branch-policy-open',
      withBranches([...GATE.branchPolicies, { name: 'main', type: 'tag' }]),
    ],
    ['no branch listed', 'branch-policy-open', withBranches([])],
    ['another run', 'run-mismatch', withRun({ id: 502 })],
    ['a run of another commit', 'run-mismatch', withRun({ head_sha: 'f'.repeat(40) })],
    [
      'a second attempt',
      'rerun-refused',
      withRun({ run_attempt: 2, triggering_actor: { id: 11, login: 'tina', type: 'User' } }),
    ],
    [
      'a second attempt that both know of',
      'rerun-refused',
      { ...withExpected({ attempt: 2 }), run: { ...SOUND.run, run_attempt: 2 } },
    ],
    ['a second attempt that only the job knows of', 'rerun-refused', withExpected({ attempt: 2 })],
    ['another branch', 'branch-not-allowed', withRun({ head_branch: 'hotfix' })],
    ['no branch', 'branch-not-allowed', withRun({ head_branch: null })],
    ['a tag that is called like the branch', 'branch-not-allowed', withExpected({ ref: 'refs/tags/main' })],
    ['a newer commit on the branch', 'branch-moved', { ...SOUND, branchTip: 'f'.repeat(40) }],
    ['no approval', 'not-approved', { ...SOUND, approvals: [] }],
    ['an approval that is still asked for', 'not-approved', withEntry({ state: 'pending' })],
    ['a state that GitHub may invent', 'not-approved', withEntry({ state: 'approved_automatically' })],
    [
      'an approval of another environment',
      'not-approved',
      withEntry({ environments: [{ id: 72, name: 'production-deploy' }] }),
    ],
    [
      'an approval of a deleted environment of that name',
      'not-approved',
      withEntry({ environments: [{ id: 70, name: 'production-failover' }] }),
    ],
    [
      'an approval of this environment under its old name',
      'not-approved',
      withEntry({ environments: [{ id: 71, name: 'failover' }] }),
    ],
    ['a rejection', 'approval-rejected', withEntry({ state: 'rejected' })],
    [
      'a rejection beside an approval',
      'approval-rejected',
      { ...SOUND, approvals: [...SOUND.approvals, { ...entry, state: 'rejected' }] },
    ],
    ['approved by its starter', 'approver-is-requester', withRun({ actor: { id: 20, login: 'rita', type: 'User' } })],
    [
      'approved by its starter under a new login',
      'approver-is-requester',
      withRun({ actor: { id: 20, login: 'rita-2', type: 'User' } }),
    ],
    [
      'approved by who triggered it',
      'approver-is-requester',
      withRun({ triggering_actor: { id: 20, login: 'rita', type: 'User' } }),
    ],
    [
      'started by a workflow',
      'requester-not-a-person',
      withRun({ actor: { id: 41898282, login: 'github-actions[bot]', type: 'Bot' } }),
    ],
    [
      're-started by an app',
      'requester-not-a-person',
      withRun({ triggering_actor: { id: 12, login: 'deploy-app[bot]', type: 'Bot' } }),
    ],
    [
      'started by an organization',
      'requester-not-a-person',
      withRun({ actor: { id: 13, login: 'acme', type: 'Organization' } }),
    ],
    [
      'started by an account that was deleted',
      'requester-not-a-person',
      withRun({ actor: { id: 10137, login: 'ghost', type: 'User' } }),
    ],
    [
      'started by an account without the type of a user',
      'requester-not-a-person',
      withRun({ actor: { id: 10, login: 'sam' } }),
    ],
    ['approved by an app', 'approver-not-a-person', withEntry({ user: { id: 20, login: 'rita', type: 'Bot' } })],
    [
      'approved by an app that calls itself a user',
      'approver-not-a-person',
      withEntry({ user: { id: 20, login: 'rita[bot]', type: 'User' } }),
    ],
    [
      'approved by an account without the type of a user',
      'approver-not-a-person',
      withEntry({ user: { id: 20, login: 'rita' } }),
    ],
    [
      'approved by an account that was deleted',
      'approver-not-a-person',
      withEntry({ user: { id: 20, login: 'Ghost', type: 'User' } }),
    ],
    [
      'approved by a person who is no reviewer',
      'approver-not-reviewer',
      withEntry({ user: { id: 99, login: 'mallory', type: 'User' } }),
    ],
    [
      'approved by a person who took over the login of a reviewer',
      'approver-not-reviewer',
      withEntry({ user: { id: 99, login: 'rita', type: 'User' } }),
    ],
    [
      'approved by the starter and a person who is no reviewer',
      'approver-not-reviewer',
      {
        ...SOUND,
        approvals: [
          { ...entry, user: sam },
          { ...entry, user: { id: 99, login: 'mallory', type: 'User' } },
        ],
      },
    ],
  ]

  test.each(bent)('%s → %s', (_what, code, evidence) => {
    const refusals = judgeApproval(evidence)
    expect(refusals.map((refusal) => refusal.code)).toContain(code)
    for (const refusal of refusals) {
      expect(refusal.what).not.toMatch(/undefined|null|NaN/)
      expect(refusal.next).toMatch(/\.$/)
    }
  })

  test('one bent thing gives exactly one refusal', () => {
    expect(codes(withRun({ run_attempt: 2 }))).toEqual(['rerun-refused'])
    expect(codes(withEnvironment({ can_admins_bypass: true }))).toEqual(['admins-can-bypass'])
    expect(codes({ ...SOUND, approvals: [] })).toEqual(['not-approved'])
    expect(codes(withEntry({ user: { id: 99, login: 'mallory', type: 'User' } }))).toEqual(['approver-not-reviewer'])
    expect(codes({ ...SOUND, branchTip: 'f'.repeat(40) })).toEqual(['branch-moved'])
  })
})

test('everything that is wrong is said at once', () => {
  const evidence = {
    ...withEnvironment({ protection_rules: [], can_admins_bypass: true, deployment_branch_policy: null }),
    approvals: [],
  }
  expect(codes(evidence)).toEqual([
    'environment-unprotected',
    'admins-can-bypass',
    'branch-policy-open',
    'not-approved',
  ])
})

test('a team may review: GitHub does not name its members, so its own check has to do', () => {
  const team = withReviewers({ reviewers: [{ type: 'Team', reviewer: { id: 300, name: 'operators' } }] })
  expect(judgeApproval(team)).toEqual([])
})

test('where a team may review, the approval of an app counts for nothing', () => {
  const team = withReviewers({ reviewers: [{ type: 'Team', reviewer: { id: 300, name: 'operators' } }] })
  const app = { ...entry, user: { id: 500, login: 'approve-app[bot]', type: 'Bot' } }
  expect(codes({ ...team, approvals: [app] })).toEqual(['approver-not-a-person'])
  const both = { ...team, approvals: [app, entry] }
  expect(judgeApproval(both)).toEqual([])
  expect(approversOf(both)).toEqual([{ id: '20', name: 'rita' }])
})

test('the starter may approve too, as long as a reviewer did; only the reviewer counts as approver', () => {
  const both = { ...SOUND, approvals: [{ ...entry, user: { id: 10, login: 'sam', type: 'User' } }, entry] }
  expect(judgeApproval(both)).toEqual([])
  expect(approversOf(both)).toEqual([{ id: '20', name: 'rita' }])
})

test('only a declared reviewer is recorded as approver, not any other user that GitHub lists', () => {
  const both = { ...SOUND, approvals: [entry, { ...entry, user: { id: 99, login: 'mallory', type: 'User' } }] }
  expect(judgeApproval(both)).toEqual([])
  expect(approversOf(both)).toEqual([{ id: '20', name: 'rita' }])
})

test('whatever GitHub lists as approvals, a run without a declared reviewer other than its starter is never allowed', () => {
  const approval = fc.record({
    state: fc.constantFrom('approved', 'rejected', 'pending', 'APPROVED', ''),
    user: fc.record({
      id: fc.constantFrom<number>(10, 20, 21, 99),
      login: fc.constantFrom('sam', 'rita', 'omar'),
      type: fc.constantFrom('User', 'Bot'),
    }),
    comment: fc.string(),
    environments: fc.array(
      fc.record({ id: fc.constantFrom(71, 72), name: fc.constantFrom('production-failover', 'other') }),
      {
        maxLength: 3,
      },
    ),
  })
  const people = fc.record({
    id: fc.constantFrom<number>(10, 20, 21),
    login: fc.stringMatching(/^[a-z]{1,8}$/),
    type: fc.constant('User'),
  })
  fc.assert(
    fc.property(fc.array(approval, { maxLength: 4 }), people, people, (approvals, actor, triggering) => {
      const evidence = { ...withRun({ actor, triggering_actor: triggering }), approvals }
      if (judgeApproval(evidence).length > 0) return
      const counted = approvals.filter(
        (one) =>
          one.state === 'approved' &&
          one.user.type === 'User' &&
          [20, 21].includes(one.user.id) &&
          ![actor.id, triggering.id].includes(one.user.id) &&
          one.environments.some((environment) => environment.id === 71 && environment.name === 'production-failover'),
      )
      expect(counted.length).toBeGreaterThan(0)
      expect(new Set(approversOf(evidence).map((one) => one.id))).toEqual(
        new Set(counted.map((one) => String(one.user.id))),
      )
    }),
  )
})

describe('where two environments must be approved', () => {
  const second: Gate = {
    ...GATE,
    name: 'failover-second',
    environment: { ...GATE.environment, id: 72, name: 'failover-second' },
  }
  const rita = { id: 20, login: 'rita', type: 'User' }
  const omar = { id: 21, login: 'omar', type: 'User' }
  const approved = (user: typeof rita, ...gates: readonly Gate[]) => ({
    ...entry,
    user,
    environments: gates.map((gate) => gate.environment),
  })
  const both = (approvals: ApprovalEvidence['approvals'], approvers = 2): ApprovalEvidence => ({
    ...withExpected({ approvers }),
    gates: [GATE, second],
    approvals,
  })

  test('two people, one in each, are enough, and both are recorded', () => {
    const evidence = both([approved(rita, GATE), approved(omar, second)])
    expect(judgeApproval(evidence)).toEqual([])
    expect(approversOf(evidence).map((one) => one.name)).toEqual(['rita', 'omar'])
  })

  test('one person in both is one person', () => {
    expect(codes(both([approved(rita, GATE), approved(rita, second)]))).toEqual(['approvers-too-few'])
    expect(codes(both([approved(rita, GATE, second)]))).toEqual(['approvers-too-few'])
    expect(codes(both([approved(rita, GATE, second)], 1))).toEqual([])
  })

  test('a person in one, and the same person with an app in the other, are one person; under another login as well', () => {
    const app = { id: 500, login: 'approve-app[bot]', type: 'Bot' }
    const teams = (evidence: ApprovalEvidence): ApprovalEvidence => ({
      ...evidence,
      gates: evidence.gates.map((gate) => ({
        ...gate,
        environment: {
          ...gate.environment,
          protection_rules: [
            {
              type: 'required_reviewers',
              prevent_self_review: true,
              reviewers: [{ type: 'Team', reviewer: { id: 300, name: 'operators' } }],
            },
          ],
        },
      })),
    })
    expect(codes(teams(both([approved(rita, GATE, second), approved(app, second)])))).toEqual(['approvers-too-few'])
    expect(codes(teams(both([approved(rita, GATE), approved({ ...rita, login: 'rita-2' }, second)])))).toEqual([
      'approvers-too-few',
    ])
    expect(codes(teams(both([approved(rita, GATE), approved(omar, second)])))).toEqual([])
  })

  test('two people in one of them are not enough: each is judged by itself', () => {
    expect(codes(both([approved(rita, GATE), approved(omar, GATE)]))).toEqual(['not-approved'])
  })

  test('who asked for the move counts in neither', () => {
    const sam = { id: 10, login: 'sam', type: 'User' }
    expect(codes(both([approved(rita, GATE), approved(sam, second)]))).toEqual(['approver-is-requester'])
    expect(codes(both([approved(rita, GATE, second), approved(sam, second)]))).toEqual(['approvers-too-few'])
  })

  test('one of them that does not protect refuses, whatever the other does', () => {
    const approvals = [approved(rita, GATE), approved(omar, second)]
    const open = { ...second, environment: { ...second.environment, can_admins_bypass: true } }
    expect(codes({ ...both(approvals), gates: [GATE, open] })).toEqual(['admins-can-bypass'])
    expect(codes({ ...both(approvals), gates: [open, GATE] })).toEqual(['admins-can-bypass'])
  })

  test('a rejection in one of them refuses', () => {
    const approvals = [
      approved(rita, GATE, second),
      approved(omar, second),
      { ...approved(omar, second), state: 'rejected' },
    ]
    expect(codes(both(approvals))).toEqual(['approval-rejected'])
  })
})

test('an approval to resume a run does not ask when its plan was made, or where; the digest binds it', () => {
  const resume = { ...withExpected({ purpose: { operation: 'resume', run: 'r1' } }), now: '2026-11-22T00:00:00.000Z' }
  const elsewhere = { ...resume, plan: { ...SOUND.plan, madeIn: null } }
  expect(codes(elsewhere)).toEqual([])
  expect(codes({ ...elsewhere, plan: { ...elsewhere.plan, digest: 'e2'.repeat(32) } })).toEqual(['digest-mismatch'])
})
