import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { type ApprovalEvidence, approversOf, judgeApproval } from '../../../src/approval/judge-approval.ts'
import type { Gate } from '../../../src/approval/judge-environment.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { planText } from '../../support/small-stack.ts'
import { toyStack } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'
import { SOUND } from './sound-evidence.ts'

const GATE = SOUND.gates[0] as Gate
const PEOPLE = [10, 20, 21, 22, 99]

/** An environment with these reviewers. */
const gateOf = (id: number, reviewers: readonly number[]): Gate => ({
  ...GATE,
  name: `gate-${id}`,
  environment: {
    ...GATE.environment,
    id,
    name: `gate-${id}`,
    protection_rules: [
      {
        type: 'required_reviewers',
        prevent_self_review: true,
        reviewers: reviewers.map((person) => ({ type: 'User', reviewer: { id: person } })),
      },
    ],
  },
})

test('whatever is listed for several environments, a run is allowed exactly when each has its own reviewer and there are k people', () => {
  const reviewers = fc.subarray([20, 21, 22], { minLength: 1 })
  const entry = fc.record({
    state: fc.constantFrom('approved', 'approved', 'approved', 'pending'),
    person: fc.constantFrom(...PEOPLE),
    gates: fc.subarray([1, 2, 3]),
  })
  let allowed = 0
  fc.assert(
    fc.property(
      fc.array(reviewers, { minLength: 1, maxLength: 3 }),
      fc.array(entry, { maxLength: 6 }),
      fc.nat(2),
      (rules, entries, more) => {
        const gates = rules.map((list, index) => gateOf(index + 1, list))
        const approvers = Math.min(gates.length, more + 1)
        const evidence: ApprovalEvidence = {
          ...SOUND,
          expected: { ...SOUND.expected, approvers },
          gates,
          approvals: entries.map(({ state, person, gates: named }) => ({
            state,
            user: { id: person, login: `p${person}`, type: 'User' },
            comment: '',
            environments: named.map((id) => ({ id, name: `gate-${id}` })),
          })),
        }
        // Said once more, in other words: who counts in which environment. 10 started the run.
        const counting = rules.map((list, index) =>
          list.filter((person) =>
            entries.some((one) => one.state === 'approved' && one.person === person && one.gates.includes(index + 1)),
          ),
        )
        const people = new Set(counting.flat())
        const expected = counting.every((list) => list.length > 0) && people.size >= approvers
        expect(judgeApproval(evidence).length === 0).toBe(expected)
        if (!expected) return
        allowed++
        expect(new Set(approversOf(evidence).map((one) => Number(one.id)))).toEqual(people)
      },
    ),
    { numRuns: 3_000 },
  )
  expect(allowed).toBeGreaterThan(100)
})

test('a move is allowed exactly when k declared people other than the requester have signed, whatever other signatures there are', () => {
  const signers = ['rita', 'omar', 'olga', 'ravi'].map(quickSigner)
  const mallory = quickSigner('mallory')
  const plan = JSON.parse(planText()) as Plan
  let allowed = 0
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat(3), { maxLength: 6 }),
      fc.constantFrom('sam', 'rita', 'OMAR', 'olga'),
      fc.constantFrom('none', 'none', 'none', 'stranger', 'other text', 'other namespace'),
      (required, who, requestedBy, bad) => {
        const request = { reason: 'GitHub is down', requestedBy }
        const text = approvalText(plan, { ...request, purpose: { operation: 'execute' } })
        const signed = who.map((index) => signers[index]?.sign(text) ?? '')
        const spoilt = {
          none: [],
          stranger: [mallory.sign(text)],
          'other text': [signers[0]?.sign(`${text} `) ?? ''],
          'other namespace': [signers[0]?.sign(text, 'file') ?? ''],
        }[bad]
        const stack = {
          ...toyStack,
          approval: {
            ...toyStack.approval,
            signatures: { required, keys: signers.map(({ name, key }) => ({ name, key })) },
          },
        }
        const read = (): unknown =>
          readSignedApproval({
            stack,
            plan,
            signatures: [...spoilt, ...signed].map((one, index) => ({ file: `${index}`, text: one })),
            ...request,
            now: new Date('2026-11-21T06:00:00.000Z'),
          })
        const others = new Set(
          who.map((index) => signers[index]?.name).filter((name) => name !== requestedBy.toLowerCase()),
        )
        if (spoilt.length === 0 && others.size >= required) {
          allowed++
          expect(read()).toMatchObject({ kind: 'signatures' })
        } else expect(read).toThrow()
      },
    ),
    { numRuns: 400 },
  )
  expect(allowed).toBeGreaterThan(20)
})
