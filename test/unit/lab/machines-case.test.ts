import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { linesIn } from '../../../lab/machines/server-log.ts'
import { MACHINES_CASES } from '../../../lab/matrix/machines/cases.ts'
import { judgeMachinesCase } from '../../../lab/matrix/machines/judge-machines-case.ts'
import type { MachinesFacts } from '../../../lab/matrix/machines/run-machines-case.ts'
import { shiftedClock } from '../../../lab/matrix/machines/shifted-clock.ts'
import { twoWriters, writableSpans } from '../../../lab/matrix/writers.ts'

const caseNamed = (name: string) => {
  const found = MACHINES_CASES.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no case ${name}`)
  return found
}
const factsOf = (name: string, more: Partial<MachinesFacts> = {}): MachinesFacts => ({
  one: caseNamed(name),
  executed: { verdict: 'moved', duration: 4_000, failure: null } as unknown as MachinesFacts['executed'],
  rejoins: [],
  acknowledged: 100,
  missing: 0,
  longestGapMs: 2_000,
  twoWritersMs: 0,
  redis: { acknowledged: 100, lost: [], longestGap: 900 },
  ...more,
})

describe('a case of the matrix on machines', () => {
  test('is kept where the move ended as it may, and nothing was lost', () => {
    expect(judgeMachinesCase(factsOf('third-site-silent'))).toMatchObject({
      name: 'switchover, third-site-silent',
      failures: [],
    })
  })

  test('is broken by one lost write, by a moment with two writers, by another end and by a rejoin that did not end', () => {
    const broken = (facts: MachinesFacts): number => judgeMachinesCase(facts).failures.length
    expect(broken(factsOf('third-site-silent', { missing: 1 }))).toBe(1)
    expect(broken(factsOf('third-site-silent', { twoWritersMs: 20 }))).toBe(1)
    const lost = [{ key: 'ledger:1', at: 1, acknowledged: true }]
    expect(broken(factsOf('third-site-silent', { redis: { acknowledged: 9, lost, longestGap: 1 } }))).toBe(1)
    const stopped = { verdict: 'stopped', duration: 1, failure: null } as unknown as MachinesFacts['executed']
    expect(broken(factsOf('third-site-silent', { executed: stopped }))).toBe(1)
    expect(broken(factsOf('site-killed', { missing: 3 }))).toBe(1)
  })

  test('has a program that is wrong about the time by as much as a case says, and counts on', async () => {
    const print = 'const at = Date.now(); console.log(at, new Date().getTime() - at, new Date(5).getTime())'
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', print], {
      env: { ...process.env, NODE_OPTIONS: shiftedClock(-60_000) },
    })
    const [at = 0, since = 0, given = 0] = stdout.trim().split(' ').map(Number)
    expect(Math.abs(Date.now() - 60_000 - at)).toBeLessThan(10_000)
    expect(since).toBeLessThan(1_000)
    expect(given).toBe(5)
  })

  test('sees in the journal of Patroni when its PostgreSQL took writes', () => {
    const old = linesIn(`2026-11-30 12:25:25,092 INFO: Demoting self (demote-cluster)
2026-11-30 12:25:25.260 UTC [32451] LOG:  received fast shutdown request
2026-11-30 12:25:37.652 UTC [1895] LOG:  database system is ready to accept read-only connections`)
    const next = linesIn('2026-11-30 12:25:25.160 UTC [77] LOG:  database system is ready to accept connections')
    const begun = Date.parse('2026-11-30T12:25:00Z')
    const spans = [...writableSpans('dc-a', old, begun), ...writableSpans('dc-b', next, null)]
    expect(spans).toEqual([
      { site: 'dc-a', from: begun, to: Date.parse('2026-11-30T12:25:25.260Z') },
      { site: 'dc-b', from: Date.parse('2026-11-30T12:25:25.160Z'), to: null },
    ])
    expect(twoWriters(spans, begun + 60_000)).toBe(100)
  })
})
