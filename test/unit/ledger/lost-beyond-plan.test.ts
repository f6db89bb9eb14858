import { describe, expect, test } from '@jest/globals'
import { idOf, type LedgerEntry } from '../../../lab/ledger/ledger-entry.ts'
import { lostBeyondPlan, timeLost } from '../../../lab/ledger/lost-beyond-plan.ts'

const entries = [40, 55, 61, 75].map(
  (second, index): LedgerEntry => ({
    sequence: index + 1,
    id: idOf('00C0FFEE', index + 1),
    outcome: 'acknowledged',
    startedAt: second * 1_000 - 10,
    endedAt: second * 1_000,
    address: 'http://lb',
    site: 'dc-b',
    reason: null,
  }),
)
const all = entries.map(({ id }) => id)
const beyond = (lost: readonly string[], seconds: number | null): number[] =>
  lostBeyondPlan(entries, lost, { seconds, lostAt: 60_000, leftAt: 70_000 }).map(({ endedAt }) => endedAt / 1_000)

describe('what is lost beyond the plan', () => {
  test('is what is older than the predicted seconds before the loss of the site, and what is newer than the end of the failover', () => {
    expect(beyond(all, 10)).toEqual([40, 75])
    expect(beyond(all.slice(1, 3), 10)).toEqual([])
  })

  test('is all that was written before the loss where the plan predicted nothing', () => {
    expect(beyond(all, 0)).toEqual([40, 55, 75])
    expect(beyond(all, null)).toEqual([40, 55, 75])
  })

  test('is all of it without a failover', () => {
    expect(lostBeyondPlan(entries, all, null)).toEqual(entries)
  })
})

test('the time that is lost reaches from the first lost write to the last', () => {
  expect(timeLost(entries, all.slice(1))).toBe(20_000)
  expect(timeLost(entries, [])).toBe(0)
})
