import { expect, test } from '@jest/globals'
import type { EvidenceBody } from '../../../src/evidence/evidence-body.ts'
import { refusalOf } from '../../../src/evidence/refusal-body.ts'
import { evidenceLine, evidenceText } from '../../../src/reporting/evidence-text.ts'
import { htmlRun } from '../../../src/reporting/html-run.ts'
import { exampleRecords } from '../../support/example-evidence.ts'

const records = exampleRecords()

test('the page of a run stands for itself: nothing is fetched, nothing runs', () => {
  const html = htmlRun(records)
  expect(html).not.toMatch(/<script|<link|src=|href=|@import|url\(/i)
  expect(html.startsWith('<!doctype html>')).toBe(true)
})

test('shows the newest record first, with verdict, approvers, deviations and proofs', () => {
  const html = htmlRun(records)
  expect(html.indexOf('resume: moved')).toBeGreaterThan(0)
  expect(html.indexOf('resume: moved')).toBeLessThan(html.indexOf('execute: stopped'))
  for (const part of ['rita', 'incident 4711', 'Otherwise than planned', '16/B374D8', 'evidence/00000002.json'])
    expect(html).toContain(part)
})

test('text of others is text, wherever it stands', () => {
  const evil = '<img src=x onerror=alert(1)>"\'&'
  const bend = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(bend)
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([name, part]) => [
          name,
          typeof part === 'string' && FREE.has(name) ? evil : bend(part),
        ]),
      )
    return value
  }
  const html = htmlRun(records.map(({ file, body }) => ({ file, body: bend(body) as EvidenceBody })))
  expect(html).not.toContain('<img')
  expect(html).not.toMatch(/class="[^"]*"[^\s>/]/)
  expect(html).toContain('&lt;img')
})
/** What users, sites and stores have a say in. */
const FREE = new Set([
  'by',
  'reason',
  'name',
  'what',
  'why',
  'next',
  'title',
  'id',
  'stack',
  'run',
  'was',
  'predicted',
  'proof',
  'from',
  'to',
  'lsn',
  'phase',
  'outcome',
  'code',
  'operation',
  'verdict',
  'site',
])

test('the person who asked, approved or refused can forge no line of what a terminal shows', () => {
  const evil = 'sam\r\n00000009  r  execute  switchover  moved  asked by sam\u001b[8m\u202e\u2028x'
  const [first] = records
  if (first?.body.kind !== 'move') throw new Error('the first example is a run')
  const failure = { code: 'step-timeout', what: evil, where: null, next: null } as const
  const approval = { ...first.body.approval, approvers: [{ id: '7', name: evil }] }
  const move = {
    ...first.body,
    failure,
    approval,
    asked: { by: evil, reason: evil },
    deviations: [{ what: evil, predicted: evil, was: evil }],
  }
  const refusal = refusalOf({
    stack: 'infisical',
    run: 'r',
    operation: 'execute',
    asked: { by: evil, reason: evil, from: null },
    digest: null,
    plan: null,
    failure,
    now: '2026-11-21T06:00:00Z',
    toolVersion: '0.1.0',
  })
  for (const body of [move, refusal]) {
    const lines = [evidenceLine('00000008.json', body), ...evidenceText('00000008.json', body).split('\n')]
    for (const line of lines) expect(line).not.toMatch(/\p{C}|\u2028/u)
    expect(evidenceLine('00000008.json', body)).not.toContain('00000009  r')
    expect(lines.filter((line) => line.startsWith('00000009'))).toEqual([])
  }
})
