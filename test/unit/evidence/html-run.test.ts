import { expect, test } from '@jest/globals'
import type { EvidenceBody } from '../../../src/evidence/evidence-body.ts'
import { htmlRun } from '../../../src/evidence/html-run.ts'
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
        Object.entries(value).map(([name, part]) => [name, typeof part === 'string' && FREE.has(name) ? evil : bend(part)]),
      )
    return value
  }
  const html = htmlRun(records.map(({ file, body }) => ({ file, body: bend(body) as EvidenceBody })))
  expect(html).not.toContain('<img')
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
])
