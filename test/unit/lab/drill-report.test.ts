import { describe, expect, test } from '@jest/globals'
import { type DrillFacts, type DrillMove, drillReport, drillTable, drillVerdict } from '../../../lab/drill-report.ts'
import { judgeLedger } from '../../../lab/ledger/judge-ledger.ts'
import { idOf, type LedgerEntry } from '../../../lab/ledger/ledger-entry.ts'
import type { Mode } from '../../../src/domain/plan.ts'
import { htmlReport } from '../../../src/reporting/html-report.ts'

const written = (second: number, site: string): LedgerEntry => ({
  sequence: second,
  id: idOf('00C0FFEE', second),
  outcome: 'acknowledged',
  startedAt: second * 1_000 - 10,
  endedAt: second * 1_000,
  address: 'http://lb',
  site,
  reason: null,
})

/** One write a second: dc-a until 9, dc-b until it is killed at 30, dc-a again. */
const ENTRIES = Array.from({ length: 60 }, (_, at) => at + 1).flatMap((second) => {
  if (second <= 9) return [written(second, 'dc-a')]
  if (second > 12 && second <= 30) return [written(second, 'dc-b')]
  return second > 45 ? [written(second, 'dc-a')] : []
})

const step = (id: string, phase: string, begun: number, ended: number, outcome = 'done'): object => ({
  id,
  phase,
  title: id,
  outcome,
  begunAt: new Date(begun * 1_000).toISOString(),
  endedAt: new Date(ended * 1_000).toISOString(),
})

function move(mode: Mode, from: string, to: string, window: readonly [number, number], loss: object = {}): DrillMove {
  const report = {
    mode,
    from,
    to,
    verdict: 'moved',
    evidence: 'evidence/1',
    failure: null,
    epoch: { before: 1, after: 2 },
    phases: [],
    steps: [
      step('traffic.close', 'DRAIN', window[0], window[0] + 1),
      step(`application.start@${to}`, 'START', window[0] + 1, window[1], mode === 'failover' ? 'was-done' : 'done'),
      ...(mode === 'rejoin' ? [] : [step(`traffic.switch@${to}`, 'TRAFFIC', window[1], window[1])]),
    ],
    run: 'r',
    digest: 'd',
    duration: 1,
    writeGap: mode === 'rejoin' ? null : 3_000,
    loss: { predicted: { seconds: [0, 0], bytes: [0, 0], why: 'toy' }, counted: null, ...loss },
  }
  const predicted = {
    writeGap: 22_000,
    loss: mode === 'failover' ? { seconds: [0, 12], likely: 10 } : { seconds: [0, 0] },
  }
  return {
    mode,
    to,
    report: report as unknown as DrillMove['report'],
    predicted: predicted as unknown as DrillMove['predicted'],
    window: { from: window[0] * 1_000, to: window[1] * 1_000 },
    clientGapMs: 15_000,
  }
}

/**
 * A drill with a failover that lost what was written in the last `seconds` before the kill, as the rejoin found too.
 */
function drilled(
  seconds: number,
  over: Partial<DrillFacts> = {},
  entries: readonly LedgerEntry[] = ENTRIES,
): DrillFacts {
  const lost = ENTRIES.filter(({ site, endedAt }) => site === 'dc-b' && endedAt > (30 - seconds) * 1_000).map(
    ({ id }) => id,
  )
  const ids = entries.map(({ id }) => id).filter((id) => !lost.includes(id))
  const found = {
    rows: [lost.length, lost.length],
    commits: [lost.length, lost.length],
    seconds: [seconds, seconds],
    bytes: [0, 0],
    tables: [],
    follows: { is: 'unknown', why: 'toy' },
    why: 'toy',
  }
  const facts = {
    variant: '',
    begunAt: '2026-11-29T12:00:00Z',
    endedAt: '2026-11-29T12:10:00Z',
    deploy: { verdict: 'changed', duration: 1, stack: 'infisical' },
    secondDeploy: { verdict: 'unchanged', duration: 1, units: [] },
    backup: { failure: null, duration: 1 },
    restoreTest: {
      verdict: 'restorable',
      checks: [],
      sandbox: { removed: true, site: 'dc-b' },
      source: 'dc-a',
      provenRpo: null,
      provenRto: null,
      duration: 1,
    },
    moves: [
      move('switchover', 'dc-a', 'dc-b', [8, 13]),
      move('failover', 'dc-b', 'dc-a', [42, 46]),
      move('rejoin', 'dc-a', 'dc-b', [50, 55], { found }),
    ],
    lost: { site: 'dc-b', at: 30_000, twoWritersMs: 4_000 },
    entries,
    ledger: { ...judgeLedger(entries, ids), run: '00C0FFEE' },
    statusAfter: { verdict: 'green', findings: [] },
    undeclared: [],
    storeAskers: null,
  }
  return { ...(facts as unknown as DrillFacts), ...over }
}

describe('the verdict of a drill with a failover', () => {
  test('is good where the failover lost no more than its plan said, and the rejoin found all of that', () => {
    expect(drillVerdict(drilled(0))).toEqual([])
    expect(drillVerdict(drilled(11))).toEqual([])
  })

  test('names what is lost beyond the plan', () => {
    expect(drillVerdict(drilled(15))).toEqual(['3 acknowledged writes are lost, and no plan said so'])
  })

  test('names what the rejoin did not find', () => {
    const facts = drilled(11)
    const moves = facts.moves.map((one) => ({
      ...one,
      report: { ...one.report, loss: undefined },
    })) as unknown as DrillMove[]
    expect(drillVerdict({ ...facts, moves })).toEqual(['11 acknowledged writes are lost, and the rejoin found 0 rows'])
  })

  test('names a second writer: by the databases, and by the site that answered users', () => {
    const late = [...ENTRIES, written(61, 'dc-b')]
    const lost = { site: 'dc-b', at: 30_000, twoWritersMs: 31_000 }
    expect(drillVerdict(drilled(0, { lost }, late))).toEqual([
      'both databases took writes for 31.0 s',
      'dc-b accepted 1 writes after it was left',
    ])
  })

  test('names what a deploy would change in the end', () => {
    expect(drillVerdict(drilled(0, { undeclared: ['database.cluster@dc-b Cluster/pg-dc-b spec.env'] }))).toEqual([
      'a deploy would change something in the end: database.cluster@dc-b Cluster/pg-dc-b spec.env',
    ])
  })

  test('names a site whose pods never asked the private store', () => {
    expect(drillVerdict(drilled(0, { storeAskers: ['10.77.0.1', '10.77.0.11'] }))).toEqual([
      'no pod of dc-b asked the private store',
    ])
    expect(drillVerdict(drilled(0, { storeAskers: ['10.77.0.12', '10.77.0.11'] }))).toEqual([])
  })

  test('says beside the lost writes what was predicted, counted and found', () => {
    const table = drillTable(drilled(11))
    for (const line of [
      /acknowledged writes lost +11/,
      /loss predicted +at most 12 s, likely 10 s/,
      /loss by the ledger +from the first lost write to the last +10\.0 s/,
      /11 rows in 11 commits/,
    ])
      expect(table).toMatch(line)
  })
})

test('a drill of switchovers may lose nothing, whatever a plan says', () => {
  const facts = drilled(5)
  const back = move('switchover', 'dc-b', 'dc-a', [42, 46])
  expect(drillVerdict({ ...facts, lost: null, moves: [...facts.moves.slice(0, 1), back] })).toEqual([
    '5 acknowledged writes are lost, and no plan said so',
  ])
})

describe('what users noticed', () => {
  const page = (facts: DrillFacts): string => htmlReport(drillReport(facts)).replaceAll(/<[^>]+>/g, ' ')

  test('of a switchover is held against what was predicted of it', () => {
    expect(drillTable(drilled(0))).toMatch(/client without writes for +predicted 22\.0 s +15\.0 s/)
    expect(page(drilled(0))).toMatch(/client without writes for +15\.0 s \(predicted 22\.0 s\)/)
  })

  test('of a failover began with the loss, of which no plan knows: predicted are the closed doors alone', () => {
    expect(drillTable(drilled(0))).toMatch(/client without writes for +since the site was lost +15\.0 s/)
    expect(drillTable(drilled(0))).toMatch(/doors closed for +predicted 22\.0 s +3\.0 s/)
    expect(page(drilled(0))).toMatch(/client without writes for +15\.0 s \(since the site was lost\)/)
    expect(page(drilled(0))).toMatch(/doors closed for +3\.0 s \(predicted 22\.0 s\)/)
  })

  test('of a rejoin is nothing: the active site serves all the while', () => {
    expect(drillTable(drilled(0))).toMatch(/longest time between two writes +users are served all the while +15\.0 s/)
    const rejoin = page(drilled(0)).slice(page(drilled(0)).indexOf('rejoin: dc-b has rejoined, and follows dc-a'))
    expect(rejoin).toMatch(/longest time between two writes +15\.0 s \(users are served all the while\)/)
    expect(rejoin).not.toMatch(/refused/)
  })
})

describe('the page of a drill', () => {
  test('says what the terminal says of the loss: predicted, counted, found by the rejoin, two writers', () => {
    const page = htmlReport(drillReport(drilled(11, { variant: '--archive in-tree' })))
    for (const part of [
      'at most 12 s, likely 10 s',
      '11 rows in 11 commits',
      'two writable databases',
      '--archive in-tree',
    ])
      expect(page).toContain(part)
  })

  test('marks each step that ended otherwise than done', () => {
    const page = htmlReport(drillReport(drilled(0)))
    expect(page).toContain('3.0 s, was-done')
    expect(page).not.toContain(', done<')
  })
})
