import { describe, expect, test } from '@jest/globals'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { readSignedApproval, type SignedRequest } from '../../../src/approval/signed-approval.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { planText } from '../../support/small-stack.ts'
import { toyStack } from '../../support/toy-stack.ts'
import { opensshAccepts, opensshSigner, type Signer } from './signers.ts'

const rita = opensshSigner('rita')
const omar = opensshSigner('omar')
const olga = opensshSigner('olga')
const mallory = opensshSigner('mallory')
const plan = JSON.parse(planText()) as Plan
const REASON = 'GitHub is down since 02:10, incident 4711'
const NOW = new Date('2026-11-21T06:00:00.000Z')

const stackWith = (required: number, ...keys: readonly Signer[]): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, signatures: { required, keys: keys.map(({ name, key }) => ({ name, key })) } },
})
const stack = stackWith(2, rita, omar, olga)
const text = approvalText(plan, { reason: REASON, requestedBy: 'sam', purpose: { operation: 'execute' } })
const signed = (...signers: readonly Signer[]) =>
  signers.map((signer) => ({ file: `${signer.name}.sig`, text: signer.sign(text) }))

const read = (more: Partial<SignedRequest> = {}) =>
  readSignedApproval({
    stack,
    plan,
    signatures: signed(rita, olga),
    reason: REASON,
    requestedBy: 'sam',
    now: NOW,
    ...more,
  })
const refusal = (more: Partial<SignedRequest>): { code: string; message: string; next: string } => {
  try {
    read(more)
  } catch (error) {
    return error as { code: string; message: string; next: string }
  }
  return { code: 'accepted', message: '', next: '' }
}

describe('k of n signatures', () => {
  test('allow the move, and are recorded so that ssh-keygen can verify them again', () => {
    const approval = read()
    expect(approval).toMatchObject({
      kind: 'signatures',
      requestedBy: 'sam',
      reason: REASON,
      approvers: [{ name: 'rita' }, { name: 'olga' }],
    })
    const { text: kept, signatures } = approval.proof as unknown as {
      text: string
      signatures: { signature: string }[]
    }
    expect(opensshAccepts(`${signatures[1]?.signature}\n`, kept, olga)).toBe(true)
  })

  test('are as good in any order, and when more sign than must', () => {
    expect(read({ signatures: signed(olga, omar, rita) }).approvers).toHaveLength(3)
  })

  test('by the same key twice count once', () => {
    expect(refusal({ signatures: signed(rita, rita) }).code).toBe('signatures-too-few')
    expect(read({ signatures: signed(rita, rita, omar) }).approvers).toHaveLength(2)
  })

  test('too few of them say who is missing', () => {
    const refused = refusal({ signatures: signed(rita) })
    expect(refused).toMatchObject({
      code: 'signatures-too-few',
      message: expect.stringContaining('rita signed, and 2 of rita, omar, olga must'),
    })
    expect(refused.next).toContain('Nothing was changed.')
    expect(refusal({ signatures: [] }).code).toBe('approval-missing')
  })

  test('do not count that of who asks for the move', () => {
    const own = approvalText(plan, { reason: REASON, requestedBy: 'Rita', purpose: { operation: 'execute' } })
    const by = (...signers: readonly Signer[]) =>
      signers.map((signer) => ({ file: signer.name, text: signer.sign(own) }))
    expect(refusal({ requestedBy: 'Rita', signatures: by(rita, omar) }).code).toBe('signer-is-requester')
    expect(refusal({ requestedBy: 'Rita', signatures: by(rita) }).code).toBe('signatures-too-few')
    const approval = read({ requestedBy: 'Rita', signatures: by(rita, omar, olga) })
    expect(approval.approvers.map((one) => one.name)).toEqual(['omar', 'olga'])
    // One key is enough, as long as it is another's.
    expect(refusal({ stack: stackWith(1, rita, omar), requestedBy: 'Rita', signatures: by(rita) }).code).toBe(
      'signer-is-requester',
    )
    expect(read({ stack: stackWith(1, rita, omar), requestedBy: 'Rita', signatures: by(omar) }).approvers).toHaveLength(
      1,
    )
  })

  test('one that is bad refuses, however many good ones are there', () => {
    const stranger = { file: 'mallory.sig', text: mallory.sign(text) }
    expect(refusal({ signatures: [...signed(rita, omar, olga), stranger] })).toMatchObject({
      code: 'signature-by-stranger',
      message: expect.stringContaining('mallory.sig'),
    })
  })

  const bent: [string, string, () => Partial<SignedRequest>][] = [
    [
      'no signature at all',
      'signature-unreadable',
      () => ({ signatures: [...signed(rita), { file: 'x', text: 'yes' }] }),
    ],
    [
      'a public key in place of a signature',
      'signature-unreadable',
      () => ({ signatures: [...signed(rita), { file: 'x', text: omar.key }] }),
    ],
    [
      'a signature by an RSA key',
      'signature-algorithm',
      () => ({ signatures: [...signed(rita), { file: 'x', text: opensshSigner('omar', 'rsa').sign(text) }] }),
    ],
    [
      'a signature that was made for Git',
      'signature-namespace',
      () => ({ signatures: [...signed(rita), { file: 'x', text: omar.sign(text, 'git') }] }),
    ],
    ['another reason', 'signature-wrong', () => ({ reason: 'GitHub is down since 02:10, incident 4712' })],
    ['another requester', 'signature-wrong', () => ({ requestedBy: 'mallory' })],
    ['another purpose', 'signature-wrong', () => ({ purpose: { operation: 'resume', run: 'r1' } })],
    ['another plan', 'signature-wrong', () => ({ plan: { ...plan, nonce: 'm'.repeat(32) } })],
    ['no reason', 'reason-missing', () => ({ reason: ' ' })],
    ['an expired plan', 'plan-expired', () => ({ now: new Date('2099-01-01T00:00:00.000Z') })],
    ['a stack file without keys', 'signatures-not-declared', () => ({ stack: toyStack })],
    ['keys that were exchanged since', 'signature-by-stranger', () => ({ stack: stackWith(2, rita, omar) })],
  ]
  test.each(bent)('refuse %s → %s', (_what, code, more) => {
    expect(refusal(more()).code).toBe(code)
  })
})

test('an approval to bring a run to its end is given for that run alone', () => {
  const purpose = { operation: 'resume', run: '20261121T050000Z-aa' } as const
  const resume = approvalText(plan, { reason: REASON, requestedBy: 'sam', purpose })
  const signatures = [rita, omar].map((signer) => ({ file: signer.name, text: signer.sign(resume) }))
  const late = new Date('2099-06-01T00:00:00.000Z')
  expect(read({ purpose, signatures, now: late })).toMatchObject({ kind: 'signatures', proof: { purpose } })
  expect(refusal({ purpose: { ...purpose, run: 'another' }, signatures, now: late }).code).toBe('signature-wrong')
  expect(refusal({ purpose: { ...purpose, operation: 'abort' }, signatures, now: late }).code).toBe('signature-wrong')
  expect(refusal({ signatures }).code).toBe('signature-wrong')
})
