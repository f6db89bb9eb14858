import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { approvalText, type Request } from '../../../src/approval/approval-text.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { planText } from '../../support/small-stack.ts'

const plan = JSON.parse(planText()) as Plan
const REQUEST: Request = {
  reason: 'GitHub is down since 02:10, incident 4711',
  requestedBy: 'sam',
  purpose: { operation: 'execute' },
}

describe('what signers sign', () => {
  test('says in words what they agree to, and ends with the reason', () => {
    expect(approvalText(plan, REQUEST)).toBe(`Standby approval, version 1
purpose: execute the plan
stack: small
move: switchover from dc-a to dc-b
plan: made-by-hand
digest: ${digestOf(plan)}
expires: 2099-01-01T00:00:00.000Z
requested by: sam
reason: GitHub is down since 02:10, incident 4711
`)
  })

  test('names the loss that is accepted', () => {
    const lossy: Plan = { ...plan, intent: { ...plan.intent, mode: 'failover', acceptLoss: 90_000 } }
    expect(approvalText(lossy, REQUEST)).toContain(
      '\nmove: failover from dc-a to dc-b\naccepted loss: at most 1 min 30 s\n',
    )
  })

  test('says plainly that the accepted loss cannot be measured', () => {
    const lossy: Plan = { ...plan, intent: { ...plan.intent, mode: 'failover', acceptLoss: 'unknown' } }
    expect(approvalText(lossy, REQUEST)).toContain('\naccepted loss: any, also one that cannot be measured (unknown)\n')
  })

  test('names the run that goes on or is taken back, whatever the expiry of its plan', () => {
    const text = approvalText(plan, { ...REQUEST, purpose: { operation: 'resume', run: '20261121T050000Z-aa' } })
    expect(text).toContain('\npurpose: resume the run 20261121T050000Z-aa\n')
    expect(text).not.toContain('expires')
  })

  test('is the same for the same words in other white space or another form of the letters', () => {
    const reason = 'Störung in dc-a, Vorfall 4711'
    const typed = approvalText(plan, { ...REQUEST, reason })
    for (const copied of [
      reason.normalize('NFD'),
      `  ${reason}\n`,
      reason.replaceAll(' ', '\u00a0'),
      reason.replace(', ', ',\r\n'),
    ])
      expect(approvalText(plan, { ...REQUEST, reason: copied })).toBe(typed)
  })

  test('is another for every other plan, reason, requester and purpose', () => {
    const variant = fc.record({
      id: fc.constantFrom('p1', 'p2'),
      to: fc.constantFrom('dc-b', 'dc-c'),
      reason: fc.stringMatching(/^[a-z: ]{0,6}[a-z]$/),
      requestedBy: fc.stringMatching(/^[a-z]{1,3}$/),
      run: fc.constantFrom(null, 'r1', 'r2'),
    })
    const textOf = (one: { id: string; to: string; reason: string; requestedBy: string; run: string | null }): string =>
      approvalText(
        { ...plan, id: one.id, intent: { ...plan.intent, to: one.to as Plan['intent']['to'] } },
        {
          reason: one.reason,
          requestedBy: one.requestedBy,
          purpose: one.run === null ? { operation: 'execute' } : { operation: 'resume', run: one.run },
        },
      )
    fc.assert(
      fc.property(variant, variant, (one, other) => {
        const key = (value: typeof one): string =>
          JSON.stringify({ ...value, reason: value.reason.replaceAll(/\s+/g, ' ').trim() })
        return (textOf(one) === textOf(other)) === (key(one) === key(other))
      }),
    )
  })

  const hidden: [string, string][] = [
    ['a mark that turns the direction of writing', 'all is \u202eenif'],
    ['an invisible character', 'incident\u200b4711'],
    ['an escape sequence of a terminal', 'fine\u001b[2K'],
    ['half a character', 'x\ud800'],
    ['no end', 'x'.repeat(1_001)],
  ]
  test.each(hidden)('refuses a reason and a requester with %s', (_name, text) => {
    expect(() => approvalText(plan, { ...REQUEST, reason: text })).toThrow(
      expect.objectContaining({ code: 'input-invalid' }),
    )
    expect(() => approvalText(plan, { ...REQUEST, requestedBy: text })).toThrow(
      expect.objectContaining({ code: 'input-invalid' }),
    )
  })

  test.each(['', ' ', '\n\t'])('refuses the reason %j: it is mandatory', (reason) => {
    expect(() => approvalText(plan, { ...REQUEST, reason })).toThrow(
      expect.objectContaining({ code: 'reason-missing' }),
    )
  })

  test('cannot be made to show a line that it has not: a plan with line breaks in a name is none', () => {
    const lines = 'p1\ndigest: 00'
    const bent: Plan[] = [
      { ...plan, id: lines },
      { ...plan, expiresAt: lines },
      { ...plan, stack: { ...plan.stack, name: lines } },
      { ...plan, intent: { ...plan.intent, to: lines as Plan['intent']['to'] } },
    ]
    for (const one of bent)
      expect(() => approvalText(one, REQUEST)).toThrow(expect.objectContaining({ code: 'plan-invalid' }))
  })
})
