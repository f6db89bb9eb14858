import { describe, expect, test } from '@jest/globals'
import type { Approval } from '../../../src/approval/approval.ts'
import { approvalText } from '../../../src/approval/approval-text.ts'
import type { Purpose } from '../../../src/approval/purpose.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import { judgeStoredApproval, type StoredApproval } from '../../../src/approval/stored-approval.ts'
import type { Plan } from '../../../src/planning/plan.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import type { Stack } from '../../../src/stack/stack.ts'
import { planText } from '../../support/small-stack.ts'
import { toyStack } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'

const [rita, omar, olga] = ['rita', 'omar', 'olga'].map(quickSigner) as [
  ReturnType<typeof quickSigner>,
  ReturnType<typeof quickSigner>,
  ReturnType<typeof quickSigner>,
]
const RUN_URL = 'https://github.com/acme/stacks/actions/runs/501'
const plan = { ...(JSON.parse(planText()) as Plan), madeIn: RUN_URL }
const NOW = new Date('2026-11-21T06:00:00.000Z')
const github = { environments: ['failover', 'failover-second'], branch: 'main', approvers: 2 }
const keysOf = (...signers: readonly (typeof rita)[]) => ({ required: 2, keys: signers.map(({ name, key }) => ({ name, key })) })
const declaring = (approval: Partial<Stack['approval']>): Stack => ({ ...toyStack, approval: { ...toyStack.approval, ...approval } })

const EXECUTE = { operation: 'execute' } as const
const reviewed: Approval = {
  kind: 'github-environment',
  digest: digestOf(plan),
  approvers: [
    { id: '20', name: 'rita' },
    { id: '21', name: 'omar' },
  ],
  requestedBy: 'sam',
  reason: null,
  proof: {
    purpose: EXECUTE,
    environments: [
      { id: 71, name: 'failover' },
      { id: 72, name: 'failover-second' },
    ],
    run: 501,
    url: RUN_URL,
    approvals: [
      { state: 'approved', user: { id: 20, login: 'rita' } },
      { state: 'approved', user: { id: 21, login: 'omar' } },
    ],
  },
}
const local: Approval = { ...reviewed, kind: 'local', approvers: [], reason: 'test', proof: { purpose: EXECUTE } }
const signedFor = (purpose: Purpose): Approval => {
  const request = { reason: 'GitHub is down', requestedBy: 'sam', purpose }
  const text = approvalText(plan, request)
  const signatures = [rita, omar].map((signer) => ({ file: signer.name, text: signer.sign(text) }))
  return readSignedApproval({ stack: declaring({ signatures: keysOf(rita, omar) }), plan, signatures, now: NOW, ...request })
}
const signed = signedFor(EXECUTE)

/** As another process reads it from the witness. */
const stored = (approval: Approval): unknown => ({ ...(JSON.parse(JSON.stringify(approval)) as object), writeId: 'w' })
const judge = (approval: unknown, stack: Stack, more: Partial<StoredApproval> = {}): Approval =>
  judgeStoredApproval({ stored: approval, run: 'r1', plan, stack, now: NOW, ...more })
const code = (approval: unknown, stack: Stack, more: Partial<StoredApproval> = {}): string => {
  try {
    return judge(approval, stack, more).kind
  } catch (error) {
    return (error as { code: string }).code
  }
}
const withGitHub = declaring({ github })
const withKeys = declaring({ signatures: keysOf(rita, omar, olga) })

describe('a run that is resumed', () => {
  test('goes on with the approval that it was begun with, of each kind', () => {
    expect(judge(stored(reviewed), withGitHub)).toEqual(reviewed)
    expect(judge(stored(signed), withKeys)).toEqual(signed)
    expect(judge(stored(local), toyStack)).toEqual(local)
  })

  test('needs a new one once the plan has expired', () => {
    const now = new Date(plan.expiresAt)
    for (const [approval, stack] of [
      [reviewed, withGitHub],
      [signed, withKeys],
      [local, toyStack],
    ] as const)
      expect(code(stored(approval), stack, { now })).toBe('plan-expired')
  })

  test('is told how it gets a new approval, and never to make a new plan: it is not finished', () => {
    const now = new Date(plan.expiresAt)
    const next = (approval: Approval, stack: Stack): string => {
      try {
        return judge(stored(approval), stack, { now }).kind
      } catch (error) {
        return (error as { next: string }).next
      }
    }
    expect(next(reviewed, withGitHub)).toContain(`the failover workflow with operation: resume, run: r1 and digest: ${digestOf(plan)}`)
    expect(next(signed, withKeys)).toContain('standby failover approve --resume r1')
    expect(next(local, toyStack)).toContain(`standby failover resume --run r1 --reason "…" --digest ${digestOf(plan)}`)
    for (const [approval, stack] of [
      [reviewed, withGitHub],
      [signed, withKeys],
      [local, toyStack],
    ] as const)
      expect(next(approval, stack)).not.toMatch(/new plan|Nothing was changed\./)
  })

  const bent: [string, string, (approval: Approval) => object][] = [
    ['the id of an approver', 'not-approved', (one) => ({ ...one, approvers: [one.approvers[0], { id: '22', name: 'omar' }] })],
    ['the name of an approver', 'not-approved', (one) => ({ ...one, approvers: [one.approvers[0], { id: '21', name: 'olga' }] })],
    ['who asked for it', 'approver-is-requester', (one) => ({ ...one, requestedBy: 'Rita' })],
    ['the run of GitHub', 'plan-of-another-run', (one) => ({ ...one, proof: { ...one.proof, run: 502 } })],
    ['the address of that run', 'plan-of-another-run', (one) => ({ ...one, proof: { ...one.proof, url: `${RUN_URL}0` } })],
    ['what GitHub said of the approvals', 'not-approved', (one) => ({ ...one, proof: { ...one.proof, approvals: [] } })],
    ['the environments', 'approval-not-allowed', (one) => ({ ...one, proof: { ...one.proof, environments: [] } })],
  ]
  test.each(bent)('is refused when %s was changed in a stored approval of reviewers: %s', (_what, expected, bend) => {
    expect(code(bend(reviewed), withGitHub)).toBe(expected)
  })

  test('is refused with the approval of another plan', () => {
    expect(code(stored({ ...reviewed, digest: '0'.repeat(64) }), withGitHub)).toBe('digest-mismatch')
    expect(code(stored(signed), withKeys, { plan: { ...plan, nonce: 'm'.repeat(32) } })).toBe('digest-mismatch')
  })

  const kinds: [string, Approval, Stack][] = [
    ['without anybody, and reviewers are declared now', local, withGitHub],
    ['without anybody, and signatures are declared now', local, withKeys],
    ['by signatures, and no keys are declared now', signed, withGitHub],
    ['on GitHub, and no environment is declared now', reviewed, withKeys],
    ['in other environments than are declared now', reviewed, declaring({ github: { ...github, environments: ['failover', 'third'] } })],
  ]
  test.each(kinds)('is refused when it was approved %s', (_name, approval, stack) => {
    expect(code(stored(approval), stack)).toBe('approval-not-allowed')
  })

  test('is refused when more people must approve now, and one person twice is one', () => {
    expect(code(stored(reviewed), declaring({ github: { ...github, approvers: 3 } }))).toBe('approvers-too-few')
    const twice = { ...reviewed, approvers: [reviewed.approvers[0], reviewed.approvers[0]] as Approval['approvers'] }
    expect(code(stored(twice), withGitHub)).toBe('approvers-too-few')
  })

  test('verifies signatures again: what lies in the witness is believed no more than a file', () => {
    expect(code(stored(signed), declaring({ signatures: keysOf(rita, olga) }))).toBe('signature-by-stranger')
    expect(code(stored({ ...signed, reason: 'something else' }), withKeys)).toBe('signature-wrong')
    expect(code(stored({ ...signed, requestedBy: 'mallory' }), withKeys)).toBe('signature-wrong')
    expect(code(stored({ ...signed, proof: { purpose: EXECUTE } }), withKeys)).toBe('approval-missing')
    // Names that were written in by hand are replaced by those of the keys.
    expect(judge(stored({ ...signed, approvers: [{ id: 'x', name: 'ceo' }] }), withKeys).approvers).toEqual(signed.approvers)
  })

  test('does not take an approval for another run, or to take a run back', () => {
    expect(code(stored(signedFor({ operation: 'resume', run: 'r1' })), withKeys)).toBe('signatures')
    expect(code(stored(signedFor({ operation: 'resume', run: 'r2' })), withKeys)).toBe('approval-not-allowed')
    expect(code(stored(signedFor({ operation: 'abort', run: 'r1' })), withKeys)).toBe('approval-not-allowed')
  })

  test('takes one of an earlier version, which does not say what for, as one to execute', () => {
    expect(code(stored({ ...local, proof: {} }), toyStack)).toBe('local')
    expect(code(stored({ ...local, proof: { purpose: 'execute' } }), toyStack)).toBe('approval-not-allowed')
  })

  test.each([
    ['nothing', null],
    ['a text', 'yes'],
    ['an empty document', {}],
    ['a kind that there is not', { ...reviewed, kind: 'trust-me' }],
    ['approvers that are no people', { ...reviewed, approvers: ['rita', 'omar'] }],
    ['no proof', { ...reviewed, proof: null }],
  ])('is refused when the witness holds %s', (_name, document) => {
    expect(code(document, withGitHub)).toBe('approval-unreadable')
  })
})
