import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { judge } from '../../../../src/drivers/redis/restore-test.ts'
import type { ServerFacts } from '../../../../src/drivers/redis/server.ts'
import type { Cache } from '../../../../src/drivers/redis/spec.ts'
import type { CataloguedDump } from '../../../../src/systems/redis/catalogue.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const component = { name: 'cache', driver: 'redis', needs: [], spec: {} } as unknown as Cache
const taken = '2026-11-21T02:00:00Z'
const dump: CataloguedDump = {
  schemaVersion: 1,
  name: 'redis/20261121T020000Z',
  takenAt: taken,
  site: 'dc-a',
  keys: 100,
  expired: 0,
  bytes: 5000,
  storedBytes: 5000,
  sha256: 'a'.repeat(64),
  redisVersion: '7.4.6',
  rdbVersion: '12',
  runId: 'b'.repeat(40),
  offset: 7,
}
const server = (keys: number, more: Partial<ServerFacts> = {}): ServerFacts => ({
  version: '7.4.6',
  runId: 'c'.repeat(40),
  role: 'master',
  keys,
  expired: 0,
  appendOnly: true,
  loading: false,
  policy: 'noeviction',
  databases: { 0: keys },
  libraries: 0,
  restored: 'x',
  fallback: '',
  ...more,
})
const at = (hoursLater: number) => ({
  stack: toyStack,
  clock: { now: () => new Date(Date.parse(taken) + hoursLater * 3_600_000), sleep: async () => undefined },
})
const verdict = (...args: [CataloguedDump, ServerFacts | null, string | null, number?]) =>
  verdictOf(judge(component, args[0], args[1], args[2], at(args[3] ?? 1)))

describe('a restored cache', () => {
  test('with all its keys is restorable', () => expect(verdict(dump, server(100), null)).toBe('restorable'))

  test('with no key at all is not restorable: so append-only persistence hides a dump that was ignored', () => {
    expect(verdict(dump, server(0), null)).toBe('not-restorable')
  })

  test('whose dump is shorter than its description is not restorable, even if it should load', () => {
    expect(verdict({ ...dump, storedBytes: 2500 }, server(100), null)).toBe('not-restorable')
    expect(verdict({ ...dump, storedBytes: null }, server(100), null)).toBe('not-restorable')
  })

  test('that did not load is not restorable, and says why', () => {
    const checks = judge(component, dump, null, 'redis-check-rdb: CRC error', at(1))
    expect(verdictOf(checks)).toBe('not-restorable')
    expect(checks.find((check) => check.id === 'restores')?.found).toContain('CRC error')
  })

  test('from a dump that is older than the objective is degraded', () => {
    expect(verdict(dump, server(100), null, 27)).toBe('degraded')
  })

  test('that evicts keys is not restorable: a queue would lose jobs in silence', () => {
    expect(verdict(dump, server(100, { policy: 'allkeys-lru' }), null)).toBe('not-restorable')
  })

  test('from which keys have expired since is restorable: Redis counts them', () => {
    expect(verdict(dump, server(30, { expired: 70 }), null)).toBe('restorable')
  })

  test('lacks nothing of another logical database than 0: a queue that uses SELECT 1 is restorable', () => {
    const held = { ...dump, keys: 20, databases: { 1: { keys: 20, expiring: 0 } } }
    expect(verdict(held, server(20, { databases: { 1: 20 } }), null)).toBe('restorable')
    const checks = judge(component, held, server(20, { databases: { 1: 20 } }), null, at(1))
    expect(checks.find(({ id }) => id === 'key-count')).toMatchObject({
      expected: '20 keys (database 1: 20)',
      outcome: 'pass',
    })
  })

  test.each<
    [string, Record<string, { keys: number; expiring: number }>, Partial<ServerFacts> & { keys: number }, string]
  >([
    [
      'in the wrong logical database',
      { 1: { keys: 20, expiring: 0 } },
      { keys: 20, databases: { 0: 20 } },
      'database 1 has 0 of 20 keys',
    ],
    [
      'in place of others that could not expire, whatever the server counts as expired',
      { 0: { keys: 10, expiring: 0 }, 1: { keys: 10, expiring: 10 } },
      { keys: 15, expired: 5, databases: { 0: 5, 1: 10 } },
      'database 0 has 5 of 10 keys, of which 0 could expire',
    ],
    [
      'fewer than the server says have expired',
      { 1: { keys: 20, expiring: 20 } },
      { keys: 10, expired: 9, databases: { 1: 10 } },
      '10 of 20 keys are there, 9 expired',
    ],
  ])('with keys %s is not restorable', (_, databases, { keys, ...more }, why) => {
    const held = { ...dump, keys: 20, databases }
    expect(verdict(held, server(keys, more), null)).toBe('not-restorable')
    expect(
      judge(component, held, server(keys, more), null, at(1)).find(({ id }) => id === 'key-count')?.found,
    ).toContain(why)
  })

  test('without the functions of the dump is not restorable', () => {
    expect(verdict({ ...dump, libraries: 2 }, server(100, { libraries: 1 }), null)).toBe('not-restorable')
    expect(verdict({ ...dump, libraries: 2 }, server(100, { libraries: 2 }), null)).toBe('restorable')
  })

  test('never passes when a single key of the dump is neither there nor expired', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(), fc.nat(), (keys, some, lost) => {
        const missing = 1 + (lost % keys)
        const expired = some % (keys - missing + 1)
        const facts = server(keys - missing - expired, { expired })
        expect(verdict({ ...dump, keys }, facts, null)).toBe('not-restorable')
        expect(verdict({ ...dump, keys }, { ...facts, keys: facts.keys + missing }, null)).toBe('restorable')
      }),
    )
  })
})
