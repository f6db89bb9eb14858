import { describe, expect, test } from '@jest/globals'
import { LOSSES } from '../../../lab/lose-site.ts'
import {
  allCases,
  isCrashPoint,
  isFought,
  lossIn,
  type MatrixCase,
  nameOf,
  sampleOf,
  TROUBLES,
} from '../../../lab/matrix/cases.ts'
import { judgeCase } from '../../../lab/matrix/judge-case.ts'
import type { CaseFacts } from '../../../lab/matrix/run-case.ts'
import { MODES, type Mode } from '../../../src/domain/plan.ts'

describe('the matrix', () => {
  test('has every trouble, every mode, and every case once', () => {
    expect(new Set(allCases.map(({ trouble }) => trouble))).toEqual(new Set(TROUBLES))
    expect(new Set(allCases.map(({ mode }) => mode))).toEqual(
      // What the lab runs moves the data itself: it has nothing to follow.
      new Set(MODES.filter((mode) => mode !== 'reopen' && mode !== 'follow')),
    )
    expect(new Set(allCases.map(nameOf)).size).toBe(allCases.length)
  })

  test('gives the same sample for the same seed, another one for another, and the troubles in turn', () => {
    expect(sampleOf(allCases, 8, 5)).toEqual(sampleOf(allCases, 8, 5))
    expect(sampleOf(allCases, 8, 5)).not.toEqual(sampleOf(allCases, 8, 6))
    expect(new Set(sampleOf(allCases, TROUBLES.length, 5).map(({ trouble }) => trouble)).size).toBe(TROUBLES.length)
  })

  test('is gone through wholly by a sample as large as it is', () => {
    const some = allCases.filter(({ mode }) => mode === 'rejoin')
    expect(new Set(sampleOf(some, 10_000, 3).map(nameOf))).toEqual(new Set(some.map(nameOf)))
  })

  test('loses a site before every failover and every rejoin, and before no switchover', () => {
    for (const one of allCases) expect(lossIn(one) === null).toBe(one.mode === 'switchover')
  })

  test('takes back what has promoted nothing, and no rejoin', () => {
    const phases = (mode: Mode) =>
      new Set(
        allCases.filter((one) => one.takenBack && one.mode === mode && !isFought(one)).map(({ crash }) => crash?.phase),
      )
    expect(phases('switchover')).toEqual(new Set(['PREPARE', 'DRAIN', 'FENCE']))
    expect(phases('failover')).toEqual(new Set(['DRAIN', 'FINAL_SYNC']))
    expect(phases('rejoin')).toEqual(new Set())
  })

  test('loses a site at every point of a switchover after its lock and before its point of no return, in every way', () => {
    const amid = allCases.filter((one) => one.amid !== null)
    expect(new Set(amid.map(({ mode }) => mode))).toEqual(new Set(['failover']))
    expect(new Set(amid.map((one) => one.amid?.phase))).toEqual(new Set(['PREPARE', 'DRAIN', 'FENCE', 'FINAL_SYNC']))
    expect(amid.length).toBe(LOSSES.length * (11 + 8))
    expect(new Set(amid.filter((one) => one.amid?.runner === 'lives').map((one) => one.amid?.phase))).toEqual(
      new Set(['PREPARE', 'DRAIN', 'FENCE']),
    )
  })

  test('lets the runner die at the line that was meant, and at no other', () => {
    const point = { phase: 'PROMOTE', at: 'waits' } as const
    expect(isCrashPoint(point, 'PROMOTE  database.promote@dc-b: waiting for the timeline')).toBe(true)
    for (const line of [
      'PROMOTE  database.promote@dc-b: Promotes pg-dc-b',
      'PROMOTE  database.promote@dc-b: done (4 s)',
      'FENCE  database.demote@dc-a: waiting for the token',
      'run 1 begins',
    ])
      expect(isCrashPoint(point, line)).toBe(false)
  })
})

/** The site was lost for two minutes. Only what is judged here is filled in. */
const caseFacts = (
  one: Pick<MatrixCase, 'trouble' | 'mode'>,
  twoWritersMs: number,
  planned: readonly string[] = ['traffic'],
): CaseFacts =>
  ({
    one: { ...one, crash: null, takenBack: false, amid: null },
    planned: { plan: { fencing: { planned }, predictions: { loss: { seconds: [0, 30] } } } },
    executed: { verdict: 'moved', duration: 1 },
    rejoined: { verdict: 'moved' },
    before: { epoch: 1, sites: [] },
    after: { epoch: one.mode === 'switchover' ? 2 : 3, sites: [], activeSite: 'dc-b' },
    from: 'dc-a',
    to: 'dc-b',
    troubleAt: 0,
    healedAt: 120_000,
    movedAt: 60_000,
    deaths: 0,
    twoWritersMs,
    returned:
      one.mode === 'switchover' ? null : { writableMs: 4_000, stillWritable: false, answersBehindItsGuard: false },
    archivedLater: [],
    undeclared: [],
    ids: ['LEDGER_x_00000001'],
    entries: [
      {
        sequence: 1,
        id: 'LEDGER_x_00000001',
        outcome: 'acknowledged',
        startedAt: 70_000,
        endedAt: 70_010,
        address: '',
        site: 'dc-b',
        reason: null,
      },
    ],
  }) as unknown as CaseFacts

describe('two databases that took writes at once', () => {
  const broken = (...args: Parameters<typeof caseFacts>): boolean => judgeCase(caseFacts(...args)).failures.length > 0

  test('are none of a switchover, not for a moment', () => {
    expect(broken({ trouble: 'narrow', mode: 'switchover' }, 0)).toBe(false)
    expect(broken({ trouble: 'narrow', mode: 'switchover' }, 1)).toBe(true)
  })

  test('are as long as the outage only where the site was cut off; a dead one has no more than its return until its guard shuts it', () => {
    expect(broken({ trouble: 'cut', mode: 'failover' }, 130_000)).toBe(false)
    for (const trouble of ['kill', 'freeze', 'unavailable'] as const) {
      expect(broken({ trouble, mode: 'failover' }, 130_000)).toBe(true)
      expect(broken({ trouble, mode: 'failover' }, 20_000)).toBe(false)
    }
    expect(broken({ trouble: 's3-gone', mode: 'rejoin' }, 130_000)).toBe(true)
  })

  test('are none where the failover waited for the guard of a site that was cut off', () => {
    expect(broken({ trouble: 'cut', mode: 'failover' }, 1, ['traffic', 'database'])).toBe(true)
  })
})

describe('a controller that comes after the point of no return', () => {
  const refused = (endedAt: number): object => ({
    outcome: 'failed',
    startedAt: endedAt - 10,
    endedAt,
    id: `LEDGER_x_${endedAt}`,
    sequence: 0,
  })
  const failuresAt = (...refusedAt: readonly number[]): readonly string[] => {
    const facts = caseFacts({ trouble: 'controller-late', mode: 'switchover' }, 0)
    const entries = [...facts.entries, ...refusedAt.map(refused)] as CaseFacts['entries']
    return judgeCase({ ...facts, overAt: 30_000, entries }).failures
  }

  test('may keep users out until half a minute after it was paused, and no longer', () => {
    expect(failuresAt()).toEqual([])
    expect(failuresAt(5_000, 29_000, 59_000)).toEqual([])
    expect(failuresAt(5_000, 61_000)).toEqual(['users were served 31 s after the other controller was paused'])
  })
})

describe('a site that comes back', () => {
  const facts = caseFacts({ trouble: 'kill', mode: 'failover' }, 0)
  const failuresOf = (returned: Partial<CaseFacts['returned']>): number =>
    judgeCase({
      ...facts,
      returned: { writableMs: 4_000, stillWritable: false, answersBehindItsGuard: false, ...returned },
    }).failures.length

  test('may take writes until its guard has started, and no longer', () => {
    expect(failuresOf({})).toBe(0)
    expect(failuresOf({ writableMs: 31_000 })).toBe(1)
    expect(failuresOf({ stillWritable: true })).toBe(1)
  })

  test('accepts nothing past the load balancers either, once its guard says that it is shut', () => {
    expect(failuresOf({ answersBehindItsGuard: true })).toBe(1)
  })
})

test('a loss that the rejoin did not find is a broken promise: all that users lost was on the lost site', () => {
  const facts = caseFacts({ trouble: 'kill', mode: 'failover' }, 0)
  const [entry] = facts.entries
  const lost =
    entry === undefined ? [] : [{ ...entry, id: 'LEDGER_x_00000000', sequence: 0, startedAt: 10, endedAt: 20 }]
  const failuresOf = (rows: readonly [number, number | null]): readonly string[] => {
    const rejoined = { verdict: 'moved', loss: { found: { rows } } } as unknown as CaseFacts['rejoined']
    return judgeCase({ ...facts, entries: [...lost, ...facts.entries], rejoined }).failures
  }
  expect(failuresOf([3, 3])).toEqual([])
  expect(failuresOf([0, null])).toEqual([])
  expect(failuresOf([0, 0])).toEqual(['1 acknowledged writes are lost, and the rejoin found 0 rows'])
})

test('what a deploy would change in the end was left by the move', () => {
  const facts = caseFacts({ trouble: 'none', mode: 'switchover' }, 0)
  const undeclared = ['database.schedule@dc-a: change ScheduledBackup/pg-dc-a spec.suspend']
  expect(judgeCase({ ...facts, undeclared }).failures).toEqual([expect.stringContaining('spec.suspend')])
})

describe('the timeline of the database', () => {
  const facts = caseFacts({ trouble: 'none', mode: 'switchover' }, 0)
  const on = (timeline: number): CaseFacts['after']['sites'] =>
    [
      {
        role: 'active',
        components: [
          { name: 'database', role: 'active', health: 'healthy', text: `primary, timeline ${timeline}, 1/1 ready` },
        ],
      },
    ] as never
  const failuresOf = (was: number, is: number): number =>
    judgeCase({ ...facts, before: { ...facts.before, sites: on(was) }, after: { ...facts.after, sites: on(is) } })
      .failures.length

  test('goes on by one with each promotion: by more, and there was another one', () => {
    expect(failuresOf(4, 5)).toBe(0)
    expect(failuresOf(4, 4)).toBe(1)
    expect(failuresOf(4, 6)).toBe(1)
  })
})

/** Ended by an abort: the old site serves again, one epoch later, and nothing has to rejoin. */
const takenBack = (moved: CaseFacts): CaseFacts => ({
  ...moved,
  one: { ...moved.one, takenBack: true },
  executed: { ...moved.executed, verdict: 'undone' },
  rejoined: null,
  returned: null,
  after: { ...moved.after, activeSite: 'dc-a', epoch: 2 },
  entries: moved.entries.map((entry) => ({ ...entry, site: 'dc-a' })),
})

describe('a switchover that was taken back', () => {
  const moved = caseFacts({ trouble: 'none', mode: 'switchover' }, 0)
  const back = takenBack(moved)
  test('ends on the site where it began, which accepts writes again', () =>
    expect(judgeCase(back).failures).toEqual([]))
  test.each<[string, Partial<CaseFacts>]>([
    ['moved', { executed: moved.executed }],
    ['left the new site active', { after: moved.after }],
    ['let the new site accept writes', { entries: moved.entries }],
    ['let no user in again', { entries: [] }],
  ])('has broken its promise if it %s', (_, facts) => expect(judgeCase({ ...back, ...facts }).failures).not.toEqual([]))
})

describe('a failover that was taken back when its site was there again', () => {
  const back = takenBack(caseFacts({ trouble: 'kill', mode: 'failover' }, 0))
  const [entry] = back.entries
  test('needs no rejoin, and may go on with its archive', () => {
    expect(
      judgeCase({ ...back, archivedLater: ['postgresql/pg-dc-a/wals/000000010000000000000007'] }).failures,
    ).toEqual([])
  })
  test('had one writer all the while, also when its site was only cut off', () => {
    const cut = { ...back, one: { ...back.one, trouble: 'cut' as const }, twoWritersMs: 1 }
    expect(judgeCase(cut).failures).toEqual([expect.stringContaining('both databases took writes')])
  })
  test('loses nothing, whatever was accepted', () => {
    const lost = entry === undefined ? [] : [{ ...entry, id: 'LEDGER_x_00000000', sequence: 0 }]
    const { failures } = judgeCase({ ...back, entries: [...lost, ...back.entries] })
    expect(failures).toEqual(['a failover that was taken back lost 1 acknowledged writes'])
  })
})

test('a failover after a switchover that was never ended has one epoch more after it', () => {
  const facts = caseFacts({ trouble: 'kill', mode: 'failover' }, 0)
  const amid: CaseFacts = { ...facts, one: { ...facts.one, amid: { phase: 'FENCE', at: 'waits', runner: 'dies' } } }
  expect(judgeCase(amid).failures).toEqual([expect.stringContaining('the epoch went from 1 to 3')])
  expect(judgeCase({ ...amid, after: { ...amid.after, epoch: 4 } }).failures).toEqual([])
})

test('a closed archive that a returned site wrote to is a broken promise, an open one is none', () => {
  const one = { trouble: 'kill', mode: 'failover' } as const
  const judged = (planned: readonly string[]) =>
    judgeCase({ ...caseFacts(one, 0, planned), archivedLater: ['postgresql/pg-dc-a-g1/wals/000000010000000000000007'] })
      .failures
  expect(judged(['traffic', 'archive'])).toEqual([expect.stringContaining('000000010000000000000007')])
  expect(judged(['traffic'])).toEqual([])
})
