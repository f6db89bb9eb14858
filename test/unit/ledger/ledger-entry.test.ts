import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { idOf, type LedgerEntry, parseLedger, runPrefixOf } from '../../../lab/ledger/ledger-entry.ts'

const entryOf = (sequence: number): LedgerEntry => ({
  sequence,
  id: idOf('ABCD1234', sequence),
  outcome: 'acknowledged',
  startedAt: sequence * 10,
  endedAt: sequence * 10 + 5,
  address: 'http://lb',
  site: 'dc-a',
  reason: null,
})
const intentOf = ({ sequence, id, startedAt }: LedgerEntry) => ({ sequence, id, startedAt })
const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')

describe('the file of a ledger', () => {
  test('gives back each entry once, in the order in which the writes started', () => {
    const entries = [1, 2, 3].map(entryOf)
    const [first, second, third] = entries.map(intentOf)
    const records = [first, second, entries[1], third, entries[2], entries[0]]
    expect(parseLedger(lines(records.filter((record) => record !== undefined)))).toEqual(entries)
  })

  test('cut at any byte, it never forgets a write that was sent and never invents one', () => {
    const entries = [1, 2, 3, 4].map(entryOf)
    const records = entries.flatMap((entry) => [intentOf(entry), entry])
    const text = lines(records)
    fc.assert(
      fc.property(fc.nat({ max: text.length }), (length) => {
        const cut = text.slice(0, length)
        const parsed = parseLedger(cut)
        const complete = cut.split('\n').slice(0, -1).length
        const tried = records.slice(0, complete).map(({ id }) => id)
        expect(parsed.map(({ id }) => id)).toEqual(expect.arrayContaining([...new Set(tried)]))
        expect(entries.map(({ id }) => id)).toEqual(expect.arrayContaining(parsed.map(({ id }) => id)))
        for (const one of parsed)
          if (one.outcome === 'acknowledged') expect(cut).toContain(`"id":"${one.id}","outcome":"acknowledged"`)
      }),
    )
  })

  test('a write without a result is unknown', () => {
    expect(parseLedger(lines([intentOf(entryOf(7))]))).toMatchObject([
      { sequence: 7, outcome: 'unknown', reason: 'ledger-ended' },
    ])
  })

  test('two runs in one file keep apart', () => {
    const other = { ...entryOf(1), id: idOf('FFFF0000', 1), startedAt: 99 }
    expect(parseLedger(lines([entryOf(1), other])).map(({ id }) => id)).toEqual([
      idOf('ABCD1234', 1),
      idOf('FFFF0000', 1),
    ])
  })
})

test('ids grow with their sequence also as text, and carry their run', () => {
  fc.assert(
    fc.property(fc.nat({ max: 99_999_998 }), (n) => {
      expect(idOf('R', n) < idOf('R', n + 1)).toBe(true)
      expect(runPrefixOf(idOf('R', n))).toBe('LEDGER_R_')
    }),
  )
  expect(runPrefixOf('STANDBY_CANARY')).toBeNull()
})
