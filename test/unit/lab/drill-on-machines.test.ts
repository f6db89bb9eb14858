import { expect, test } from '@jest/globals'
import { drillTable, drillVerdict, type MachinesDrill } from '../../../lab/machines/drill-report.ts'

const move = (to: string, before: number) => ({
  report: {
    mode: 'switchover',
    to,
    verdict: 'moved',
    failure: null,
    evidence: { key: 'evidence/1' },
    epoch: { before, after: before + 1 },
    duration: 20_000,
    writeGap: 5_000,
    phases: [{ phase: 'FENCE', begunAt: '2026-11-30T12:00:00Z', endedAt: '2026-11-30T12:00:03Z' }],
  },
  predicted: { writeGap: 8_000 },
  window: { from: 0, to: 1 },
  clientGapMs: 6_000,
})
const good = {
  begunAt: '2026-11-30T12:00:00Z',
  endedAt: '2026-11-30T12:03:00Z',
  deploy: { stack: 'infisical', verdict: 'changed', duration: 60_000, units: [], failure: null },
  secondDeploy: { stack: 'infisical', verdict: 'unchanged', duration: 20_000, units: [], failure: null },
  moves: [move('dc-b', 1), move('dc-a', 2)],
  ledger: {
    run: 'A',
    acknowledged: 10,
    failed: 2,
    unknown: 0,
    recovered: [],
    lostAcknowledged: [],
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
  expect(broken({ moves: [move('dc-b', 1)] })).toEqual(['1 of 2 moves were made'])
  const failed = { ...move('dc-a', 2).report, verdict: 'failed', failure: { what: 'no answer' } }
  expect(broken({ moves: [move('dc-b', 1), { ...move('dc-a', 2), report: failed }] })).toEqual([
    'the move to dc-a failed: no answer',
  ])
  expect(broken({ ledger: { ...good.ledger, lostAcknowledged: ['A-1'] } })).toEqual(['1 acknowledged writes are lost'])
  expect(broken({ ledger: { ...good.ledger, acknowledged: 0 } })).toEqual(['the application acknowledged no write'])
  const lost = [{ key: 'k', at: 1, acknowledged: true }]
  expect(broken({ redis: { ...good.redis, lost } })).toEqual(['1 writes that Redis acknowledged are lost'])
  expect(broken({ statusAfter: { verdict: 'degraded', findings: [{ what: 'a replica is late' }] } })).toEqual([
    'afterwards the stack is degraded: a replica is late',
  ])
  const units = [{ id: 'hosts.playbook@dc-b', changes: [{}] }]
  expect(broken({ secondDeploy: { ...good.secondDeploy, verdict: 'changed', units } })).toEqual([
    'a second deploy is changed, not unchanged: hosts.playbook@dc-b',
  ])
})
