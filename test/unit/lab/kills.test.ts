import { describe, expect, test } from '@jest/globals'
import type { LedgerEntry } from '../../../lab/ledger/ledger-entry.ts'
import { judgeKills, type TimedMove } from '../../../lab/matrix/judge-kills.ts'
import { momentIn, spreadOver } from '../../../lab/matrix/kill-moments.ts'
import type { CaseFacts } from '../../../lab/matrix/run-case.ts'

describe('the moments at which a runner is killed', () => {
  test('are the beginnings and ends of steps while doors are closed, the same for both directions', () => {
    expect(momentIn('FENCE       database.demote@dc-a: Demotes pg-dc-a', 'dc-a')).toBe(
      'FENCE database.demote@from begins',
    )
    expect(momentIn('FENCE       database.demote@dc-b: done (2 s)', 'dc-b')).toBe('FENCE database.demote@from done')
    expect(momentIn('TRAFFIC     lb.open@dc-a: was-done (0 s)', 'dc-b')).toBe('TRAFFIC lb.open@to done')
    for (const line of [
      'FENCE  database.demote@dc-a: waiting for the token',
      'PREPARE  x.y@dc-a: Begins',
      'GREEN  x.y: Looks',
      'run 1 begins',
    ])
      expect(momentIn(line, 'dc-a')).toBe(null)
  })

  test('are spread evenly over all that there are, from the first on', () => {
    expect(spreadOver(40, 20)).toEqual(Array.from({ length: 20 }, (_, kill) => 2 * kill))
    expect(spreadOver(3, 6)).toEqual([0, 0, 1, 1, 2, 2])
  })
})

/**
 * One write before the doors close and one after they open, at these seconds; the move tells its one moment at second
 * 10.
 */
function move(
  shut: number,
  open: number,
  of: { readonly diedAt: number; readonly lockedAt: number } | null,
): TimedMove {
  const written = (sequence: number, at: number): LedgerEntry => ({
    sequence,
    id: `LEDGER_x_0000000${sequence}`,
    outcome: 'acknowledged',
    startedAt: at * 1000,
    endedAt: at * 1000,
    address: '',
    site: 'dc-b',
    reason: null,
  })
  const entries = [written(1, shut), written(2, open), written(3, open + 1)]
  const facts = {
    one: { trouble: 'none', mode: 'switchover', crash: null, takenBack: false, amid: null },
    planned: { plan: { fencing: { planned: [] }, predictions: { loss: { seconds: [0, 0] } } } },
    executed: {
      verdict: 'moved',
      duration: 1,
      evidence: 'evidence/1.json',
      steps:
        of === null
          ? []
          : [
              {
                id: 'witness.lock',
                endedAt: Number.isNaN(of.lockedAt) ? null : new Date(of.lockedAt * 1000).toISOString(),
              },
            ],
    },
    rejoined: null,
    before: { epoch: 1, sites: [] },
    after: { epoch: 2, sites: [], activeSite: 'dc-b' },
    from: 'dc-a',
    to: 'dc-b',
    troubleAt: 0,
    healedAt: 0,
    movedAt: open * 1000,
    deaths: of === null ? 0 : 1,
    diedAt: of === null ? null : of.diedAt * 1000,
    twoWritersMs: 0,
    returned: null,
    archivedLater: [],
    undeclared: [],
    ids: entries.map(({ id }) => id),
    entries,
  } as unknown as CaseFacts
  return { facts, moments: new Map([['FENCE database.demote@from begins', 10_000]]) }
}

describe('a killed move', () => {
  // Shut for 6 s, of which 5 s are left when the database is demoted.
  const living = [move(9, 15, null)]

  test('keeps its promise when users are served 15 s and the rest of the move after the kill', () => {
    const { lines, kept } = judgeKills(living, [move(9, 30, { diedAt: 10, lockedAt: 25 })])
    expect(lines[1]).toContain('lock after 15.0 s, served after 20.0 s (the rest is 5.0 s), gap 21.0 s')
    expect(kept).toBe(true)
  })

  test('breaks it when users wait longer, when its lock is had later, and when that was not seen', () => {
    expect(judgeKills(living, [move(9, 30.1, { diedAt: 10, lockedAt: 25 })]).kept).toBe(false)
    expect(judgeKills(living, [move(9, 20, { diedAt: 10, lockedAt: 25.1 })]).kept).toBe(false)
    expect(
      judgeKills(
        living,
        [move(9, 20, { diedAt: 10, lockedAt: Number.NaN })].map((one) => ({ ...one, moments: new Map() })),
      ).kept,
    ).toBe(false)
    expect(judgeKills([], [move(9, 20, { diedAt: 10, lockedAt: 12 })]).kept).toBe(false)
  })

  test('breaks it when a write is lost, as every move does', () => {
    const one = move(9, 20, { diedAt: 10, lockedAt: 12 })
    expect(judgeKills(living, [one]).kept).toBe(true)
    expect(judgeKills(living, [{ ...one, facts: { ...one.facts, ids: one.facts.ids.slice(1) } }]).kept).toBe(false)
  })
})
