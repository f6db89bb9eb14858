import { expect, test } from '@jest/globals'
import { judgeSoak, type SoakMove } from '../../../lab/soak/judge-soak.ts'

const move: SoakMove = {
  mode: 'switchover',
  verdict: 'moved',
  givenUp: [],
  durationMs: 30_000,
  peakMemoryBytes: 120_000_000,
  journalEntries: 40,
  journalBytes: 9_000,
}
const many = (of: (index: number) => Partial<SoakMove>, count = 12): SoakMove[] =>
  Array.from({ length: count }, (_, index) => ({ ...move, ...of(index) }))

test('moves that cost the same, with some noise, are nothing to report', () => {
  expect(judgeSoak(many((index) => ({ peakMemoryBytes: 120_000_000 + (index % 3) * 4_000_000 })))).toEqual([])
})

test.each([
  ['peakMemoryBytes', 3_000_000],
  ['journalEntries', 1],
  ['journalBytes', 200],
  ['durationMs', 3_000],
] as const)('%s that grows with every move is named', (measure, step) => {
  const failures = judgeSoak(many((index) => ({ [measure]: move[measure] + index * step })))
  expect(failures).toEqual([expect.stringMatching(new RegExp(`^${measure} of a switchover grew from \\d+ to \\d+`))])
})

test('a move of another mode is compared with its own kind only', () => {
  expect(judgeSoak(many((index) => (index > 8 ? { mode: 'failover', journalEntries: 80 } : {})))).toEqual([])
})

test('a move that did not end is named, and so is its place', () => {
  expect(judgeSoak(many((index) => (index === 4 ? { verdict: 'needs-human' } : {})))).toEqual([
    'move 5, a switchover, ended needs-human',
  ])
})

test('a step that an undisturbed move went on without is named', () => {
  const without = many((index) => (index === 7 ? { givenUp: ['database.close-archive@dc-a'] } : {}))
  expect(judgeSoak(without)).toEqual(['move 8, a switchover, gave up database.close-archive@dc-a'])
})

test('one slow move among few is noise: its duration is not compared, its memory and its journal are', () => {
  const last = { durationMs: 90_000, peakMemoryBytes: 200_000_000, journalEntries: 80 }
  const failures = judgeSoak(many((index) => (index === 3 ? last : {}), 4))
  expect(failures.map((failure) => failure.split(' ')[0])).toEqual(['peakMemoryBytes', 'journalEntries'])
})
