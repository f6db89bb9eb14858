import { describe, expect, test } from '@jest/globals'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { judgeLocalApproval, type LocalRequest } from '../../../src/approval/local-approval.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { planText } from '../../support/small-stack.ts'
import { toyStack } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'

const rita = quickSigner('rita')
const plan = JSON.parse(planText()) as Plan
const github = { environments: ['production-failover'], branch: 'main', approvers: 1 }
const keys = { required: 1, keys: [{ name: rita.name, key: rita.key }] }
const declaring = (approval: Partial<Stack['approval']>): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, ...approval },
})
const signature = {
  file: 'rita.sig',
  text: rita.sign(approvalText(plan, { reason: 'test', requestedBy: 'sam', purpose: { operation: 'execute' } })),
}

const judge = (more: Partial<LocalRequest>) =>
  judgeLocalApproval({
    stack: toyStack,
    plan,
    digest: digestOf(plan),
    reason: 'test',
    requestedBy: 'sam',
    signatures: [],
    now: new Date('2026-11-21T06:00:00.000Z'),
    ...more,
  })
const code = (more: Partial<LocalRequest>): string => {
  try {
    return judge(more).kind
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a command line', () => {
  test('may move a stack that declares no approval, with digest and reason, and says that it was not approved', () => {
    expect(judge({})).toMatchObject({
      kind: 'local',
      approvers: [],
      requestedBy: 'sam',
      reason: 'test',
      digest: digestOf(plan),
    })
    expect(code({ reason: ' ' })).toBe('reason-missing')
    expect(code({ digest: null })).toBe('approval-missing')
    // Passed on as it was given: the operation compares, and refuses with a report.
    expect(judge({ digest: '0'.repeat(64) }).digest).toBe('0'.repeat(64))
  })

  test('may never move past reviewers on GitHub, whatever digest and reason it gives', () => {
    expect(code({ stack: declaring({ github }) })).toBe('reviewer-required')
    expect(code({ stack: declaring({ github }), signatures: [signature] })).toBe('signatures-not-declared')
  })

  test('moves with the declared signatures, whether reviewers are declared beside them or not', () => {
    for (const stack of [declaring({ signatures: keys }), declaring({ signatures: keys, github })]) {
      expect(code({ stack })).toBe('approval-missing')
      expect(code({ stack, signatures: [signature] })).toBe('signatures')
    }
  })

  test('need not say the digest that was signed, and is refused when it says another', () => {
    const stack = declaring({ signatures: keys })
    expect(code({ stack, signatures: [signature], digest: null })).toBe('signatures')
    expect(code({ stack, signatures: [signature], digest: '0'.repeat(64) })).toBe('digest-mismatch')
  })
})
