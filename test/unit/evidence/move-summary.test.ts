import { describe, expect, test } from '@jest/globals'
import type { Loss } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import type { StepReport } from '../../../src/execution/step-report.ts'
import { moveSummary } from '../../../src/reporting/move-summary.ts'
import { lossText } from '../../../src/reporting/move-words.ts'
import { moveText } from '../../../src/reporting/terminal.ts'

const step = (id: string, more: Partial<StepReport> = {}): StepReport => ({
  id,
  title: 'Does it',
  phase: 'FENCE',
  site: 'dc-a' as SiteName,
  outcome: 'done',
  begunAt: '2026-11-21T06:00:01.000Z',
  endedAt: '2026-11-21T06:00:03.000Z',
  proof: {},
  ...more,
})
const report = (more: Partial<MoveReport> = {}): MoveReport => ({
  schemaVersion: 1,
  stack: 'infisical',
  run: '20261121T060000Z-abcd',
  mode: 'failover',
  from: 'dc-a',
  to: 'dc-b',
  planId: 'plan',
  digest: 'd'.repeat(64),
  epoch: { before: 4, after: 5 },
  verdict: 'moved',
  phases: [],
  steps: [
    step('database.fence@dc-a'),
    step('database.promote@dc-b', { phase: 'PROMOTE', begunAt: '2026-11-21T06:00:03.000Z' }),
  ],
  failure: null,
  duration: 9_000,
  writeGap: 7_000,
  evidence: 'evidence/00000007.json',
  evidenceHead: 'e'.repeat(64),
  fence: { required: 'database', reached: ['traffic', 'database'] },
  loss: {
    predicted: { bytes: [0, null], seconds: [0, 12], why: 'the archive is 12 s old' },
    counted: { bytes: [160, 160], seconds: [0, 3], why: 'the old primary was fenced' },
  },
  rto: { decide: 240_000, approve: null, execute: 8_000, green: 400, startToGreen: 8_400 },
  ...more,
})
const failure = { code: 'step-timeout', what: 'it did not end', where: null, next: 'Look there.' } as const

describe('the summary of a move', () => {
  test('begins with the verdict, for each of the four', () => {
    const first = (more: Partial<MoveReport>): string => moveSummary(report(more)).split('\n')[0] ?? ''
    expect(first({})).toBe('## ✅ infisical: moved to dc-b')
    expect(first({ verdict: 'refused', failure, steps: [] })).toBe('## ❌ infisical: refused: nothing was changed')
    expect(first({ verdict: 'undone', failure })).toBe(
      '## ❌ infisical: taken back: as before the failover; dc-a is still lost',
    )
    expect(first({ verdict: 'undone', failure, mode: 'switchover' })).toBe(
      '## ❌ infisical: taken back: dc-a serves as before',
    )
    expect(first({ verdict: 'stopped', failure })).toBe('## ❌ infisical: stopped half way: a person must look')
  })

  test('says mode, fence, loss predicted and counted, where the time went, and the head to keep', () => {
    for (const text of [moveSummary(report()), moveText(report(), { colour: false })])
      for (const part of [
        'failover',
        'reached traffic, database',
        '12 s old',
        'was fenced',
        'decided in 4 min',
        'users served 8.0 s after the start',
        'e'.repeat(64),
      ])
        expect(text).toContain(part)
  })

  test('of a run that was taken back on request is no failure, has no arrow, and says how long users were refused', () => {
    const asked = report({ verdict: 'undone', operation: 'abort', mode: 'switchover', writeGap: 61_000 })
    const [first, second] = moveSummary(asked).split('\n\n')
    expect(first).toBe('## ↩️ infisical: taken back: dc-a serves as before')
    expect(second).toBe('In 9.0 s, writes refused for 1 min 1 s, epoch 4 → 5.')
    expect(moveText(asked, { colour: true }).split('\n')[0]).toContain('\u001b[33mtaken back')
    expect(moveSummary(report({ verdict: 'undone', operation: 'execute', failure }))).toMatch(/^## ❌/)
  })

  test('of a failover says when users were served, and from when on its gap counts', () => {
    for (const text of [moveSummary(report()), moveText(report(), { colour: false })]) {
      expect(text).toContain('users served 8.0 s after the start')
      expect(text).toContain('7.0 s, since the first door was closed')
    }
    expect(moveSummary(report({ mode: 'switchover' }))).toContain(
      'dc-a → dc-b in 9.0 s, writes refused for 7.0 s, epoch 4 → 5.',
    )
  })

  test('says who asked and why, who allowed it, and what came otherwise than planned', () => {
    const told = report({
      asked: { by: 'sam', reason: 'incident 4711' },
      approved: { kind: 'github-environment', approvers: [{ id: '7', name: 'rita' }] },
      deviations: [
        { what: 'archive.close', predicted: 'done', was: 'given up: no answer from dc-a (kubernetes-timeout)' },
      ],
    })
    for (const text of [moveSummary(told), moveText(told, { colour: false })]) {
      for (const part of ['sam: incident 4711', 'github-environment: rita', 'otherwise than planned'])
        expect(text).toContain(part)
      expect(text).toMatch(/archive\.close[ |]+done[ |]+given up: no answer from dc-a/)
    }
    expect(moveSummary(report({ deviations: [] }))).not.toContain('otherwise than planned')
  })

  test('says sizes and spans as people do', () => {
    const loss = (bytes: Loss['bytes'], seconds: Loss['seconds']): string => lossText({ bytes, seconds, why: 'x' })
    expect(loss([0, 16_777_216], [0, 12])).toBe('up to 12.0 s of writes (0 B to 16.8 MB): x')
    expect(loss([160, 160], [0, 3])).toBe('up to 3.0 s of writes (160 B): x')
    expect(loss([0, null], [0, 12])).toBe('up to 12.0 s of writes, an unknown number of bytes: x')
    expect(loss([4_096, null], [0, 12])).toBe('up to 12.0 s of writes (at least 4.1 kB, possibly more): x')
    expect(loss([0, null], [0, null])).toBe('an unknown amount: x')
    const undone = report({
      verdict: 'undone',
      loss: { predicted: { bytes: [0, 0], seconds: [0, 0], why: 'x' }, counted: null },
    })
    expect(moveSummary(undone)).toContain('| loss counted | nothing: nothing was promoted |')
  })

  test('of a failure without a next step has no blank paragraph', () => {
    expect(moveSummary(report({ verdict: 'stopped', failure: { ...failure, next: null } }))).not.toMatch(/\n\n\n/)
  })

  test('of a stopped run says what to look at, and which command continues', () => {
    const summary = moveSummary(
      report({ verdict: 'stopped', failure, steps: [step('database.fence@dc-a', { outcome: 'failed' })] }),
    )
    expect(summary).toMatch(/Look at database\.fence&#64;dc-a on dc-a/)
    expect(summary).toContain('standby failover resume --run 20261121T060000Z-abcd')
  })

  test('of a refused run has no empty table and no picture', () => {
    const summary = moveSummary(report({ verdict: 'refused', failure, steps: [], writeGap: null }))
    expect(summary).not.toContain('mermaid')
    expect(summary).not.toContain('| phase |')
  })

  test('shows text of others as text: no row, no markup, no picture of theirs', () => {
    const evil = 'x | y\n\n# big <img src=x onerror=alert(1)> `code` ```\n@everyone [link](http://evil)'
    const summary = moveSummary(
      report({
        failure: { ...failure, what: evil },
        verdict: 'stopped',
        steps: [step('a.b@dc-a', { title: evil, outcome: 'failed' })],
      }),
    )
    expect(summary).not.toMatch(/<img|^# big|\[link\]|@everyone/m)
    const rows = summary.split('\n').filter((line) => line.startsWith('| ❌'))
    expect(rows.map((row) => row.split(/(?<!\\)\|/).length)).toEqual([7])
    expect(summary.match(/```/g)).toHaveLength(2)
  })

  test('draws each step that was timed, within its phase', () => {
    const picture = /```mermaid\n([\s\S]*?)```/.exec(moveSummary(report()))?.[1] ?? ''
    expect(picture).toMatch(/gantt\n\s+dateFormat x/)
    expect(picture).toMatch(/section FENCE\n\s+database\.fence@dc-a :1795240801000, 1795240803000\n\s+section PROMOTE/)
  })

  test('tells the steps as they began, those of one instant by their phases, and those that never began last', () => {
    const never = { outcome: 'not-reached', begunAt: null, endedAt: null } as const
    const steps = [
      step('witness.close', { phase: 'CLOSED', ...never }),
      step('application.start@dc-b', { phase: 'START', ...never }),
      step('database.demote@dc-a'),
      step('traffic.close', { phase: 'DRAIN' }),
      step('witness.lock', { phase: 'LOCK', begunAt: '2026-11-21T06:00:00.000Z' }),
    ]
    const inOrder = ['witness.lock', 'traffic.close', 'database.demote@dc-a', 'application.start@dc-b', 'witness.close']
    for (const text of [moveSummary(report({ steps })), moveText(report({ steps }), { colour: false })]) {
      const places = inOrder.map((id) => text.indexOf(`${id} `))
      expect(places).toEqual(places.toSorted((a, b) => a - b))
      expect(Math.min(...places)).toBeGreaterThan(0)
    }
  })
})
