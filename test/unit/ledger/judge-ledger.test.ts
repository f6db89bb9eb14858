import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { gapsOf, judgeLedger, longestGap, summarize, timeWithoutWrites } from '../../../lab/ledger/judge-ledger.ts'
import { idOf, type LedgerEntry, type Outcome } from '../../../lab/ledger/ledger-entry.ts'

const RUN = '00C0FFEE'

function entry(sequence: number, outcome: Outcome, startedAt: number, endedAt: number, site = 'dc-a'): LedgerEntry {
  const reason = outcome === 'acknowledged' ? null : 'http-503'
  return { sequence, id: idOf(RUN, sequence), outcome, startedAt, endedAt, address: 'http://lb', site, reason }
}

interface World {
  readonly entries: readonly LedgerEntry[]
  readonly database: readonly string[]
  readonly lost: readonly string[]
  readonly ghosts: readonly string[]
  readonly recovered: readonly string[]
}

/** Any run, with the answers that the client got and, independently of it, what the database kept. */
const worlds = fc
  .array(
    fc.record({
      outcome: fc.constantFrom<Outcome>('acknowledged', 'failed', 'unknown'),
      kept: fc.boolean(),
      pause: fc.integer({ min: 0, max: 500 }),
      takes: fc.integer({ min: 0, max: 3_000 }),
    }),
    { maxLength: 60 },
  )
  .map((writes): World => {
    let clock = 1_000
    const entries = writes.map(({ outcome, pause, takes }, at) => {
      clock += pause
      return entry(at + 1, outcome, clock, clock + takes)
    })
    const where = (outcome: Outcome, kept: boolean): string[] =>
      entries.filter((one, at) => one.outcome === outcome && writes[at]?.kept === kept).map(({ id }) => id)
    return {
      entries,
      database: entries.filter((_, at) => writes[at]?.kept).map(({ id }) => id),
      lost: where('acknowledged', false),
      ghosts: where('failed', true),
      recovered: where('unknown', true),
    }
  })

describe('the verdict on a ledger', () => {
  test('names each acknowledged write that is gone, each refused one that is there, and nothing else', () => {
    fc.assert(
      fc.property(worlds, ({ entries, database, lost, ghosts, recovered }) => {
        const verdict = judgeLedger(entries, database)
        expect(verdict.lostAcknowledged).toEqual(lost)
        expect(verdict.ghosts).toEqual(ghosts)
        expect(verdict.recovered).toEqual(recovered)
        expect(verdict.unexpected).toEqual([])
        expect(verdict.acknowledged + verdict.failed + verdict.unknown).toBe(entries.length)
      }),
    )
  })

  test('does not depend on the order in which the database lists its rows or the entries came in', () => {
    fc.assert(
      fc.property(worlds, ({ entries, database }) => {
        const one = judgeLedger(entries, database)
        const other = judgeLedger(entries.toReversed(), database.toReversed())
        expect(other).toEqual({
          ...one,
          lostAcknowledged: one.lostAcknowledged.toReversed(),
          ghosts: one.ghosts.toReversed(),
          recovered: one.recovered.toReversed(),
        })
      }),
    )
  })

  test('a row of this run that it never wrote is unexpected; other runs and other secrets are not its concern', () => {
    const verdict = judgeLedger(
      [entry(1, 'acknowledged', 0, 1)],
      [idOf(RUN, 1), idOf(RUN, 2), idOf('OTHER', 7), 'STANDBY_CANARY'],
    )
    expect(verdict).toMatchObject({ unexpected: [idOf(RUN, 2)], lostAcknowledged: [], ghosts: [] })
  })
})

describe('write gaps', () => {
  test('reach from the last acknowledgement before to the first one after, whatever failed between', () => {
    const entries = [
      entry(1, 'acknowledged', 0, 10, 'dc-a'),
      entry(2, 'acknowledged', 100, 110, 'dc-a'),
      entry(3, 'failed', 200, 205),
      entry(4, 'unknown', 300, 2_300),
      entry(5, 'acknowledged', 900, 1_000, 'dc-b'),
      entry(6, 'acknowledged', 2_400, 2_410, 'dc-b'),
    ]
    expect(longestGap(entries, { from: 150, to: 950 })).toMatchObject({
      from: 110,
      to: 1_000,
      durationMs: 890,
      lastBefore: idOf(RUN, 2),
      firstAfter: idOf(RUN, 5),
      siteBefore: 'dc-a',
      siteAfter: 'dc-b',
      open: false,
    })
    expect(longestGap(entries)).toMatchObject({ durationMs: 1_410 })
  })

  test('an outage that has not ended is an open gap, not none', () => {
    const entries = [entry(1, 'acknowledged', 0, 10), entry(2, 'failed', 100, 105), entry(3, 'unknown', 200, 2_200)]
    expect(longestGap(entries)).toMatchObject({ from: 10, to: 2_200, firstAfter: null, open: true })
    expect(longestGap([entry(1, 'failed', 5, 10)])).toMatchObject({ from: 5, to: 10, open: true })
    expect(longestGap([])).toBeNull()
  })

  test('add up to the time without writes, but for those that a busy machine makes', () => {
    const entries = [
      entry(1, 'acknowledged', 0, 10),
      entry(2, 'acknowledged', 900, 1_000),
      entry(3, 'acknowledged', 5_000, 5_010),
      entry(4, 'acknowledged', 5_100, 5_110),
      entry(5, 'acknowledged', 8_000, 8_110),
      entry(6, 'acknowledged', 12_000, 12_110),
    ]
    expect(timeWithoutWrites(entries, { from: 0, to: 13_000 })).toBe(4_010 + 3_000 + 4_000)
    expect(timeWithoutWrites(entries, { from: 5_050, to: 8_000 })).toBe(3_000)
  })

  test('cover the time from the first try to the end of the last, without overlap', () => {
    fc.assert(
      fc.property(worlds, ({ entries }) => {
        const gaps = gapsOf(entries)
        for (const { durationMs } of gaps) expect(durationMs).toBeGreaterThanOrEqual(0)
        for (const [at, { from }] of gaps.entries()) if (at > 0) expect(from).toBe(gaps[at - 1]?.to)
        if (entries.length === 0) return
        const span =
          Math.max(...entries.map(({ endedAt }) => endedAt)) - Math.min(...entries.map(({ startedAt }) => startedAt))
        expect(gaps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBe(span)
        expect(gaps.filter(({ open }) => !open)).toHaveLength(
          Math.max(0, entries.filter(({ outcome }) => outcome === 'acknowledged').length - 1),
        )
      }),
    )
  })

  test('an acknowledgement never makes the longest gap longer', () => {
    fc.assert(
      fc.property(worlds, fc.nat(), ({ entries }, pick) => {
        if (entries.length === 0) return
        const at = pick % entries.length
        const better = entries.map((one, index) => (index === at ? { ...one, outcome: 'acknowledged' as const } : one))
        expect(longestGap(better)?.durationMs ?? 0).toBeLessThanOrEqual(longestGap(entries)?.durationMs ?? 0)
      }),
    )
  })
})

test('the summary counts acknowledged writes by site and the rest by reason', () => {
  const entries = [
    entry(1, 'acknowledged', 0, 1, 'dc-a'),
    entry(2, 'acknowledged', 2, 3, 'dc-b'),
    entry(3, 'failed', 4, 5),
  ]
  expect(summarize(RUN, 'ledger.jsonl', entries)).toMatchObject({
    acknowledged: 2,
    failed: 1,
    unknown: 0,
    from: 0,
    to: 5,
    bySite: { 'dc-a': 1, 'dc-b': 1 },
    reasons: { 'http-503': 1 },
  })
})
