import { describe, expect, test } from '@jest/globals'
import { approvalText } from '../../../src/approval/approval-text.ts'
import type { Purpose } from '../../../src/approval/purpose.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import { judgeStoredApproval, type StoredApproval } from '../../../src/approval/stored-approval.ts'
import type { Approval } from '../../../src/domain/approval.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
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
const keysOf = (...signers: readonly (typeof rita)[]) => ({
  required: 2,
  keys: signers.map(({ name, key }) => ({ name, key })),
})
const declaring = (approval: Partial<Stack['approval']>): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, ...approval },
})

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
  return readSignedApproval({
    stack: declaring({ signatures: keysOf(rita, omar) }),
    plan,
    signatures,
    now: NOW,
    ...request,
  })
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

describe('a run that was begun with signatures', () => {
  test('goes on with them', () => {
    expect(judge(stored(signed), withKeys)).toEqual(signed)
  })

  test('needs new ones once the plan has expired, and the error says how: never by a new plan, for the run is not finished', () => {
    const now = new Date(plan.expiresAt)
    expect(code(stored(signed), withKeys, { now })).toBe('plan-expired')
    expect(() => judge(stored(signed), withKeys, { now })).toThrow(
      expect.objectContaining({ next: expect.stringContaining('standby failover approve --resume r1') }),
    )
    expect(() => judge(stored(signed), withKeys, { now })).toThrow(
      expect.objectContaining({ next: expect.not.stringMatching(/new plan|Nothing was changed\./) }),
    )
  })

  test('is refused with the approval of another plan, and where no keys are declared any more', () => {
    expect(code(stored(signed), withKeys, { plan: { ...plan, nonce: 'm'.repeat(32) } })).toBe('digest-mismatch')
    expect(code(stored(signed), withGitHub)).toBe('approval-not-allowed')
  })

  test('verifies signatures again: what lies in the witness is believed no more than a file', () => {
    expect(code(stored(signed), declaring({ signatures: keysOf(rita, olga) }))).toBe('signature-by-stranger')
    expect(code(stored({ ...signed, reason: 'something else' }), withKeys)).toBe('signature-wrong')
    expect(code(stored({ ...signed, requestedBy: 'mallory' }), withKeys)).toBe('signature-wrong')
    expect(code(stored({ ...signed, proof: { purpose: EXECUTE } }), withKeys)).toBe('approval-missing')
    // Names that were written in by hand are replaced by those of the keys.
    expect(judge(stored({ ...signed, approvers: [{ id: 'x', name: 'ceo' }] }), withKeys).approvers).toEqual(
      signed.approvers,
    )
  })

  test('does not take an approval for another run, or to take a run back', () => {
    expect(code(stored(signedFor({ operation: 'resume', run: 'r1' })), withKeys)).toBe('signatures')
    expect(code(stored(signedFor({ operation: 'resume', run: 'r2' })), withKeys)).toBe('approval-not-allowed')
    expect(code(stored(signedFor({ operation: 'abort', run: 'r1' })), withKeys)).toBe('approval-not-allowed')
  })

  test.each([
    ['nothing', null],
    ['a text', 'yes'],
    ['an empty document', {}],
    ['a kind that there is not', { ...signed, kind: 'trust-me' }],
    ['approvers that are no people', { ...signed, approvers: ['rita', 'omar'] }],
    ['no proof', { ...signed, proof: null }],
  ])('is refused when the witness holds %s', (_name, document) => {
    expect(code(document, withKeys)).toBe('approval-unreadable')
  })

  test.each([
    ['reviewers on GitHub', reviewed],
    ['a person at a terminal', local],
  ])('is not taken for approved by %s because the witness says so', (_name, approval) => {
    for (const stack of [withGitHub, withKeys, toyStack])
      expect(code(stored(approval), stack)).toBe('approval-unproven')
  })
})
