import { expect, test } from '@jest/globals'
import { drillTable, drillVerdict, type MachinesDrill } from '../../../lab/machines/drill-report.ts'

const LOST_AT = 10_000
const move = (mode: string, from: string, to: string, before: number, more: object = {}) => ({
  mode,
  to,
  report: {
    mode,
    from,
    to,
    verdict: 'moved',
    failure: null,
    evidence: { key: 'evidence/1' },
    epoch: { before, after: before + 1 },
    duration: 20_000,
    writeGap: mode === 'rejoin' ? null : 5_000,
    phases: [{ phase: 'FENCE', begunAt: '2026-11-30T12:00:00Z', endedAt: '2026-11-30T12:00:03Z' }],
    steps: [],
    ...more,
  },
  predicted: { writeGap: 8_000, loss: { seconds: mode === 'failover' ? [0, 2] : [0, 0] } },
  window: { from: before * 5_000, to: before * 5_000 + 4_000 },
  clientGapMs: 6_000,
})
const found = { rows: [1, 1], commits: [1, 1] }
const moves = [
  move('switchover', 'dc-a', 'dc-b', 0),
  move('switchover', 'dc-b', 'dc-a', 1),
  move('failover', 'dc-a', 'dc-b', 2, { loss: { counted: null } }),
  move('rejoin', 'dc-b', 'dc-a', 3, { loss: { found } }),
]
const lastWrite = { id: 'A-1', outcome: 'acknowledged', site: 'dc-a', startedAt: 9_490, endedAt: 9_500 }
const good = {
  begunAt: '2026-11-30T12:00:00Z',
  endedAt: '2026-11-30T12:03:00Z',
  deploy: { stack: 'infisical', verdict: 'changed', duration: 60_000, units: [], failure: null },
  secondDeploy: { stack: 'infisical', verdict: 'unchanged', duration: 20_000, units: [], failure: null },
  backup: { failure: null, duration: 5_000, steps: [{ id: 'database.backup@dc-a' }, { id: 'cache.dump@dc-a' }] },
  restoreTest: {
    verdict: 'restorable',
    failure: null,
    duration: 20_000,
    checks: [{ component: 'database', id: 'row-counts', outcome: 'pass', found: '1' }],
    components: [{ component: 'database' }, { component: 'cache' }, { component: 'application' }],
    sandbox: { removed: true, site: 'dc-b' },
  },
  moves,
  lost: { site: 'dc-a', at: LOST_AT, twoWritersMs: 0 },
  entries: [lastWrite],
  ledger: {
    run: 'A',
    acknowledged: 10,
    failed: 2,
    unknown: 0,
    recovered: [],
    lostAcknowledged: ['A-1'],
    unexpected: [],
    ghosts: [],
  },
  redis: { acknowledged: 10, refused: 1, lost: [], longestGap: 4_000 },
  statusAfter: { verdict: 'green', findings: [] },
} as unknown as MachinesDrill

const broken = (more: object): string[] => drillVerdict({ ...good, ...more } as MachinesDrill)

test('the drill on machines passes where all is as promised', () => {
  expect(drillVerdict(good)).toEqual([])
  expect(drillTable(good)).toContain('the whole drill')
})

test('the drill on machines fails for each promise that is broken, and says which', () => {
  const ended = { lost: null, entries: [], ledger: { ...good.ledger, lostAcknowledged: [] } }
  expect(broken({ ...ended, moves: moves.slice(0, 1) })).toEqual(['1 of 4 moves were made'])
  const failed = { ...moves[1], report: { ...moves[1]?.report, verdict: 'failed', failure: { what: 'no answer' } } }
  expect(broken({ moves: moves.with(1, failed as unknown as (typeof moves)[number]) })).toEqual([
    'the switchover to dc-a failed: no answer',
  ])
  expect(broken({ ledger: { ...good.ledger, acknowledged: 0 } })).toEqual(['the application acknowledged no write'])
  expect(broken({ lost: { ...good.lost, twoWritersMs: 40 } })).toEqual([
    'the databases of two sites took writes for 40 ms',
  ])
  const late = { ...lastWrite, id: 'A-2', startedAt: 15_000, endedAt: 15_010 }
  expect(broken({ entries: [lastWrite, late] })).toEqual(['dc-a accepted 1 writes after it was left'])
  expect(broken({ statusAfter: { verdict: 'degraded', findings: [{ what: 'a replica is late' }] } })).toEqual([
    'afterwards the stack is degraded: a replica is late',
  ])
  const units = [{ id: 'hosts.playbook@dc-b', changes: [{}] }]
  expect(broken({ secondDeploy: { ...good.secondDeploy, verdict: 'changed', units } })).toEqual([
    'a second deploy is changed, not unchanged: hosts.playbook@dc-b',
  ])
  expect(broken({ secondDeploy: null })).toEqual(['the second deploy was not reached'])
})

test('the drill on machines fails for a write that was lost before the failover, or more of them than the rejoin has found', () => {
  const early = { ...lastWrite, startedAt: 7_000, endedAt: 7_010 }
  expect(broken({ entries: [early] })).toEqual(['1 acknowledged writes are lost, and no plan said so'])
  const two = ['A-1', 'A-2']
  expect(broken({ ledger: { ...good.ledger, lostAcknowledged: two } })).toEqual([
    '2 acknowledged writes are lost, and the rejoin found 1 rows',
  ])
  const redisLost = (at: number) => ({ redis: { ...good.redis, lost: [{ key: 'k', at, acknowledged: true }] } })
  expect(broken(redisLost(9_000))).toEqual([])
  expect(broken(redisLost(7_000))).toEqual(['1 writes that Redis acknowledged are lost, and no plan said so'])
})

test('the drill on machines fails for a backup that was not taken, not restored, or left in the sandbox', () => {
  const { backup, restoreTest } = good
  expect(broken({ backup: { ...backup, failure: { what: 'no stanza' } } })).toEqual(['the backup failed: no stanza'])
  const checks = [{ component: 'database', id: 'row-counts', outcome: 'fail', found: '0 of 7' }]
  expect(broken({ restoreTest: { ...restoreTest, verdict: 'not-restorable', checks } })).toEqual([
    'the restore test says not-restorable: database row-counts: 0 of 7',
  ])
  expect(broken({ restoreTest: { ...restoreTest, components: [{ component: 'database' }] } })).toEqual([
    'the restore test did not restore cache, application',
  ])
  expect(broken({ restoreTest: { ...restoreTest, sandbox: { removed: false } } })).toEqual([
    'the sandbox was not emptied',
  ])
})
