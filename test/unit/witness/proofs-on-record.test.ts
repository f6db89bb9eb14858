import { expect, test } from '@jest/globals'
import { type JournalEntry, proofsOf } from '../../../src/witness/journal.ts'

const at = '2026-11-30T03:00:00Z'
const [CLOSE, FENCE] = ['dns.close@dc-a', 'database.fence@dc-a']
const result = (step: string, proof: { readonly value: string }): JournalEntry =>
  ({ kind: 'result', at, step, outcome: 'done', proof }) as unknown as JournalEntry
const reopened = { kind: 'reopened', at, step: CLOSE, rest: [] } as unknown as JournalEntry

test('a fence that was seen open after its result has no proof, until it is shut and seen again', () => {
  const before = [result(CLOSE, { value: 'first' }), result(FENCE, { value: 'other' }), reopened]
  expect(Object.fromEntries(proofsOf(before))).toEqual({ [FENCE]: { value: 'other' } })
  expect(proofsOf([...before, result(CLOSE, { value: 'second' })]).get(CLOSE)).toEqual({ value: 'second' })
})
