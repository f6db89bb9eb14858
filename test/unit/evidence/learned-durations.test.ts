import { expect, test } from '@jest/globals'
import type { EvidenceBody } from '../../../src/evidence/evidence-body.ts'
import { learnedDurations, NEWEST_RUNS } from '../../../src/evidence/learned-durations.ts'
import type { StepReport } from '../../../src/execution/step-report.ts'
import { withLearned } from '../../../src/planning/expected-durations.ts'
import { toyStep } from '../../support/toy-stack.ts'

const took = (id: string, ms: number, outcome: StepReport['outcome'] = 'done'): StepReport => ({
  id,
  title: '',
  phase: 'PROMOTE',
  site: null,
  outcome,
  begunAt: '2026-11-21T06:00:00.000Z',
  endedAt: new Date(Date.parse('2026-11-21T06:00:00.000Z') + ms).toISOString(),
  proof: null,
})
const run = (steps: StepReport[], processes = 1): EvidenceBody =>
  ({
    steps,
    processes: Array.from({ length: processes }, (_, index) => ({ attempt: index + 1, at: '' })),
  }) as unknown as EvidenceBody

test('half and three quarters of the runs, wherever the action ran', () => {
  const bodies = [1_000, 2_000, 3_000, 4_000].map((ms, index) =>
    run([took(`database.promote@dc-${index % 2 === 0 ? 'a' : 'b'}`, ms)]),
  )
  expect(learnedDurations(bodies)).toEqual(new Map([['database.promote', { p50: 2_000, p75: 3_000, runs: 4 }]]))
})

test('only what was performed and done counts, and no run that a process died of, or that was refused', () => {
  const bodies = [
    run([took('a.b@dc-a', 9_000, 'was-done'), took('a.c@dc-a', 9_000, 'failed'), took('a.d@dc-a', 9_000, 'undone')]),
    run([{ ...took('a.e@dc-a', 9_000), endedAt: null }]),
    run([took('a.f@dc-a', 9_000)], 2),
    run([], 0),
  ]
  expect(learnedDurations(bodies)).toEqual(new Map())
})

test(`only the newest ${NEWEST_RUNS} runs count: what was slow once is forgotten`, () => {
  const old = Array.from({ length: 50 }, () => run([took('a.b@dc-a', 60_000)]))
  const fresh = Array.from({ length: NEWEST_RUNS }, () => run([took('a.b@dc-b', 1_000)]))
  expect(learnedDurations([...old, ...fresh]).get('a.b')).toEqual({ p50: 1_000, p75: 1_000, runs: NEWEST_RUNS })
})

test('a plan expects what its actions really took, and its own guess where nothing is known', () => {
  const learned = new Map([['database.promote', { p50: 7_000, p75: 9_000, runs: 3 }]])
  const steps = withLearned(
    [toyStep('database.promote@dc-b', 'PROMOTE'), toyStep('database.demote@dc-a', 'FENCE')],
    learned,
  )
  expect(steps.map(({ expected }) => expected)).toEqual([7_000, 1_000])
})
