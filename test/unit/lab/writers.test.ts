import { expect, test } from '@jest/globals'
import { spansOfSite, twoWriters, writableSpans } from '../../../lab/matrix/writers.ts'

const at = (second: number): number => Date.UTC(2026, 0, 1, 0, 0, second)
const said = (second: number, message: string): string =>
  JSON.stringify({
    level: 'info',
    ts: new Date(at(second)).toISOString(),
    logger: 'postgres',
    msg: 'record',
    record: { message },
  })

const demoted = [
  said(10, 'received fast shutdown request'),
  said(11, 'database system is shut down'),
  said(12, 'starting PostgreSQL 17.2'),
]
const promoted = [
  said(14, 'received promote request'),
  said(16, 'database system is ready to accept connections'),
  said(17, 'received fast shutdown request'),
  said(18, 'starting PostgreSQL 17.2'),
  said(19, 'database system is ready to accept connections'),
]

test('both logs of a switchover say that the old primary ends before the new one begins, and that there was one writer at a time', () => {
  const spans = [...writableSpans('dc-a', demoted, at(0)), ...writableSpans('dc-b', promoted, null)]
  expect(spans).toEqual([
    { site: 'dc-a', from: at(0), to: at(10) },
    { site: 'dc-b', from: at(16), to: at(17) },
    { site: 'dc-b', from: at(19), to: null },
  ])
  expect(twoWriters(spans, at(60))).toBe(0)
})

test('an old primary that lives on is counted as a second writer, from the promotion until it is shut', () => {
  const fencedAt25 = [said(25, 'received fast shutdown request')]
  const spans = [...writableSpans('dc-a', fencedAt25, at(0)), ...writableSpans('dc-b', promoted, null)]
  expect(twoWriters(spans, at(60))).toBe(1_000 + 6_000)
})

test('while it was frozen it wrote nothing; from when it woke up on it did', () => {
  const spans = [
    ...writableSpans('dc-a', [said(45, 'received fast shutdown request')], at(0)),
    ...writableSpans('dc-b', promoted, null),
  ]
  expect(twoWriters(spans, at(60), { site: 'dc-a', from: at(5), to: at(40) })).toBe(5_000)
})

test('a killed server took writes until its last word at most, and does again when it is ready', () => {
  const log = [
    said(5, 'checkpoint starting: time'),
    said(30, 'starting PostgreSQL 17.2'),
    said(31, 'database system is ready to accept connections'),
  ]
  expect(writableSpans('dc-a', log, at(0))).toEqual([
    { site: 'dc-a', from: at(0), to: at(5) },
    { site: 'dc-a', from: at(31), to: null },
  ])
})

test('a replica that restarts is no writer, and lines of others are passed over', () => {
  const log = ['', 'not json', '{"ts":"x"}', said(3, 'database system is ready to accept read-only connections')]
  expect(writableSpans('dc-b', log, null)).toEqual([])
})

test('an instance that restarts beside the primary says nothing of the primary, which goes on to take writes', () => {
  const logs = [
    { primary: true, lines: [said(3, 'checkpoint starting: time')] },
    { primary: false, lines: [said(5, 'received fast shutdown request'), said(6, 'starting PostgreSQL 17.2')] },
  ]
  expect(spansOfSite('dc-a', logs, at(0))).toEqual([{ site: 'dc-a', from: at(0), to: null }])
})
