import { describe, expect, test } from '@jest/globals'
import { unavailable } from '../../../../src/drivers/cloudnative-pg/failover/stopped-instances.ts'
import { parseControlData } from '../../../../src/systems/postgres/control-data.ts'
import { missingIn } from '../../../../src/systems/postgres/decode-divergence.ts'
import { divergenceIn } from '../../../../src/systems/postgres/divergent-wal.ts'
import { forkBetween, forkFrom, forksInFile, spansSince } from '../../../../src/systems/postgres/timeline-history.ts'
import { MB16 } from './cluster-states.ts'

const heap = (tx: number, desc: string, rmgr = 'Heap') =>
  `rmgr: ${rmgr.padEnd(11)} len (rec/tot):     59/    59, tx:        ${tx}, lsn: 0/05000110, prev 0/050000D8, desc: ${desc}, blkref #0: rel 1663/16385/16389 blk 0`
const end = (tx: number, desc: string) =>
  `rmgr: Transaction len (rec/tot):     34/    34, tx:        ${tx}, lsn: 0/05000150, prev 0/05000110, desc: ${desc}`

describe('the WAL that only a lost primary has', () => {
  test('names what was committed there, in the words of PostgreSQL 15 and of 17', () => {
    const told = divergenceIn(
      [
        heap(735, 'INSERT+INIT off 1 flags 0x00'),
        heap(735, 'INSERT off 2 flags 0x00'),
        heap(735, 'HOT_UPDATE off 1 xmax 735 flags 0x60 ; new off 3 xmax 0'),
        end(735, 'COMMIT 2026-11-21 03:19:49.990000 UTC'),
        heap(736, 'MULTI_INSERT+INIT 60 tuples flags 0x02', 'Heap2'),
        end(736, 'COMMIT 2026-11-21 03:19:50.000000 UTC; inval msgs: catcache 55'),
        heap(737, 'MULTI_INSERT ntuples: 5, flags: 0x02, offsets: [1, 2]', 'Heap2'),
        heap(737, 'DELETE xmax: 737, off: 1, infobits: [KEYS_UPDATED], flags: 0x00'),
        end(737, 'COMMIT 2026-11-21 03:19:51.000000 UTC'),
      ].join('\n'),
    )
    const { rows, ...counted } = told
    expect(
      rows.filter(({ transaction }) => transaction !== '736').map(({ change, ctid }) => `${change} ${ctid}`),
    ).toEqual([
      'inserted (0,1)',
      'inserted (0,2)',
      'updated (0,3)',
      'inserted (0,1)',
      'inserted (0,2)',
      'inserted (0,?)',
      'inserted (0,?)',
      'inserted (0,?)',
      'deleted (0,1)',
    ])
    expect(rows.filter(({ transaction }) => transaction === '736').map(({ ctid }) => ctid)).toEqual(
      Array.from({ length: 60 }, (_, n) => `(0,${n + 1})`),
    )
    expect(rows.find(({ change }) => change === 'deleted')).toEqual({
      relation: '1663/16385/16389',
      change: 'deleted',
      ctid: '(0,1)',
      transaction: '737',
      committedAt: '2026-11-21T03:19:51.000000Z',
    })
    expect(counted).toEqual({
      commits: 3,
      firstCommitAt: '2026-11-21T03:19:49.990000Z',
      lastCommitAt: '2026-11-21T03:19:51.000000Z',
      relations: [{ relation: '1663/16385/16389', inserted: 67, updated: 1, deleted: 1 }],
      uncommittedRows: 0,
      readTo: '0/05000150',
    })
  })
  test('names an updated row by its new version, on whatever page, in the words of PostgreSQL 17 too', () => {
    const update = 'UPDATE old_xmax: 738, old_off: 1, old_infobits: [], flags: 0x00, new_xmax: 0, new_off: 7'
    const told = divergenceIn(
      [
        `${heap(738, update).replace('blk 0', 'blk 7')}, blkref #1: rel 1663/16385/16389 blk 0`,
        end(738, 'COMMIT 2026-11-21 03:19:52 UTC'),
      ].join('\n'),
    )
    expect(told.rows).toMatchObject([{ change: 'updated', ctid: '(7,7)' }])
  })
  test('does not count a row as lost that no client had an answer for', () => {
    const told = divergenceIn(
      [
        heap(740, 'INSERT off 1 flags 0x00'),
        end(740, 'ABORT 2026-11-21 03:19:49 UTC'),
        heap(741, 'INSERT off 2 flags 0x00'),
      ].join('\n'),
    )
    expect(told).toMatchObject({ commits: 0, relations: [], uncommittedRows: 2 })
  })
  test('counts the rows of subtransactions with their parent', () => {
    const told = divergenceIn(
      [heap(745, 'INSERT off 1 flags 0x00'), end(744, 'COMMIT 2026-11-21 03:19:49 UTC; subxacts: 745 746')].join('\n'),
    )
    expect(told.relations).toMatchObject([{ inserted: 1 }])
  })
  test('passes over what changes no row, and what it does not know', () => {
    const lines = [
      heap(750, 'LOCK off 1'),
      heap(750, 'PRUNE latestRemovedXid 749 nredirected 0 ndead 1', 'Heap2'),
      'rmgr: Btree len',
      '',
    ]
    expect(divergenceIn(lines.join('\n'))).toMatchObject({ relations: [], uncommittedRows: 0 })
  })
})

test('the state of a stopped server is read from its control file', () => {
  const text =
    "Database cluster state:               shut down\nLatest checkpoint location:           0/5000060\nLatest checkpoint's TimeLineID:       3\nBytes per WAL segment:                67108864\n"
  expect(parseControlData(text)).toEqual({
    state: 'shut down',
    checkpoint: '0/5000060',
    timeline: 3,
    segmentBytes: 64 * 1024 * 1024,
  })
  expect(parseControlData('pg_controldata: error')).toBeNull()
})

test('a server counts as stopped when it listens no more, not when its fence begins', () => {
  const says = { isPrimary: true, timeLineID: 1, mightBeUnavailable: true }
  const refused = 'failed to connect: dial unix /controller/run/.s.PGSQL.5432: connect: no such file or directory'
  expect(unavailable({ ...says, mightBeUnavailableMaskedError: refused })).toBe(refused)
  expect(unavailable(says)).toBeNull()
  expect(
    unavailable({ ...says, mightBeUnavailableMaskedError: 'FATAL: the database system is shutting down' }),
  ).toBeNull()
  expect(unavailable({ ...says, mightBeUnavailableMaskedError: 'unexpected EOF' })).toBeNull()
  expect(
    unavailable({ ...says, mightBeUnavailableMaskedError: 'terminating connection due to administrator command' }),
  ).toBeNull()
  expect(unavailable({ ...says, mightBeUnavailable: false, mightBeUnavailableMaskedError: refused })).toBeNull()
})

describe('where a history left another one', () => {
  const history = [
    { timeline: 1, at: '0/3000000' },
    { timeline: 3, at: '0/9000000' },
  ]
  test('is the line of the timeline that was left', () => expect(forkFrom(history, 3)).toEqual(history[1]))
  test('is the newest that both know when the other side went on to a timeline of its own', () =>
    expect(forkFrom(history, 5)).toEqual(history[1]))
  test('is an older one for a side that stayed behind', () => expect(forkFrom(history, 2)).toEqual(history[0]))
  test('is nothing when they never parted', () => expect(forkFrom([], 1)).toBeNull())
})

describe('where two histories parted', () => {
  const line = (timeline: number, at: string) => ({ timeline, at })
  const shared = [line(1, '0/3000000'), line(2, '0/5000000')]
  test('is where the first lines differ, though both count timelines from the same number', () => {
    const theirs = [...shared, line(3, '0/7000000'), line(4, '0/9000000')]
    const ours = [...shared, line(3, '0/7800000')]
    expect(forkBetween(theirs, ours, 4)).toEqual(line(3, '0/7000000'))
    expect(forkFrom(theirs, 4)).toEqual(line(4, '0/9000000'))
  })
  test('is the earlier position at which a timeline was left, on either side', () => {
    expect(forkBetween([...shared, line(3, '0/8000000')], [...shared, line(3, '0/7000000')], 4)).toEqual(
      line(3, '0/7000000'),
    )
    expect(forkBetween([...shared, line(3, '0/8000000')], shared, 3)).toEqual(line(3, '0/8000000'))
    expect(forkBetween(shared, [...shared, line(3, '0/7000000')], 4)).toEqual(line(3, '0/7000000'))
  })
  test('is the last common position when both left it for different timelines', () =>
    expect(forkBetween([...shared, line(4, '0/8000000')], shared, 3)).toEqual(shared[1]))
  test('is nowhere when neither has a history', () => expect(forkBetween([], [], 1)).toBeNull())
  test('is read from a history file as PostgreSQL writes it', () =>
    expect(forksInFile('1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tbefore 2026\n')).toEqual(shared))
})

describe('the WAL after a fork', () => {
  const history = [{ timeline: 3, at: '0/7800000' }]
  test('lies in the files of each timeline, the segment of a change in those of the next one', () => {
    expect(spansSince({ timeline: 3, at: '0/5000100' }, history, 4, MB16)).toEqual([
      { timeline: 3, from: '0/5000100', to: '0/7000000' },
      { timeline: 4, from: '0/7000000', to: null },
    ])
    expect(spansSince({ timeline: 3, at: '0/7000100' }, history, 4, MB16)).toEqual([
      { timeline: 4, from: '0/7000100', to: null },
    ])
  })
  test('lacks what is not there between the first needed segment and the last one', () => {
    const names = ['000000030000000000000006', '000000030000000000000008', '00000004.history']
    const checkpoint = '0/8000060'
    expect(missingIn(names, 3, '0/6000100', null, checkpoint, MB16)).toEqual(['000000030000000000000007'])
    expect(missingIn(names, 3, '0/5000100', '0/7000000', checkpoint, MB16)).toEqual(['000000030000000000000005'])
    expect(missingIn(names, 3, '0/6000100', '0/7000000', checkpoint, MB16)).toEqual([])
    expect(missingIn(['000000030000000000000007'], 3, '0/7000100', null, checkpoint, MB16)).toEqual([
      '000000030000000000000008',
    ])
    expect(missingIn([], 3, '0/5000100', null, '0/5000060', MB16)).toEqual(['000000030000000000000005'])
  })
})
