import { describe, expect, test } from '@jest/globals'
import type { ObjectStoreLocation } from '../../../../src/clients/object-store-client.ts'
import type { Component, Stack } from '../../../../src/domain/stack.ts'
import { restoresIn } from '../../../../src/driver/ask.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { Driver } from '../../../../src/driver/capabilities.ts'
import { oldBackupsIn } from '../../../../src/driver/remove-old-backups.ts'
import { findingsOfDumps } from '../../../../src/drivers/redis-sentinel/assess/findings-of-dumps.ts'
import { dumpSteps } from '../../../../src/drivers/redis-sentinel/backup/dump.ts'
import { dumpSourceIn } from '../../../../src/drivers/redis-sentinel/backup/dump-source.ts'
import { judgeCounts } from '../../../../src/drivers/redis-sentinel/backup/judge-dump.ts'
import type { RdbListing } from '../../../../src/drivers/redis-sentinel/backup/rdb-listing.ts'
import { DUMP_NAME } from '../../../../src/drivers/redis-sentinel/backup/remove-old-dumps.ts'
import { isOlder } from '../../../../src/drivers/redis-sentinel/backup/restore-test.ts'
import { redisSentinel } from '../../../../src/drivers/redis-sentinel/driver.ts'
import { type GroupState, summarized } from '../../../../src/drivers/redis-sentinel/observe.ts'
import type { DeclaredDumps, Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import type { CataloguedDump } from '../../../../src/systems/redis/catalogue.ts'
import { judgeKeys } from '../../../../src/systems/redis/judge-loaded.ts'
import type { NewestDump } from '../../../../src/systems/redis/newest-dump.ts'
import { minutes } from '../../../../src/values/duration.ts'
import { group, server, stateOf } from '../../../conformance/fixtures/redis-sentinel.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { A, B } from './world.ts'

const withDumps = (dumps: DeclaredDumps): Group => ({ ...group, spec: { ...group.spec, dumps } })
const declared = withDumps({ store: 'backups' })
const hosts = {
  machines: { 'db-1': { address: 'db-1.example.com' }, 'db-2': { address: 'db-2.example.com' } },
  sandbox: { machine: 'db-1', directory: '/var/lib/standby' },
}
const stack: Stack = {
  ...toyStack,
  sites: [
    { name: A, platforms: { hosts } },
    { name: B, platforms: { hosts } },
  ],
}
const problems = (component: Group, on: Stack = stack): string[] =>
  (
    redisSentinel.validate?.(component, on, (name) => (name === 'backups' ? ({} as ObjectStoreLocation) : null)) ?? []
  ).map(({ path, severity = 'error' }) => `${path.join('.')} ${severity}`)

describe('dumps of Redis under Sentinel', () => {
  test('are restored in the sandbox of hosts; without a declaration nothing is dumped or tested', () => {
    const place = (component: Group) =>
      restoresIn(redisSentinel as unknown as Driver, component as unknown as Component)
    expect(place(declared)).toEqual({ platform: 'hosts' })
    expect(place(group)).toBe('nowhere')
    expect(dumpSteps(declared, A, 'PROTECT')).toMatchObject([{ action: 'dump', parameters: { folder: 'cache/' } }])
    expect(dumpSteps(group, A, 'PROTECT')).toEqual([])
  })

  test('are refused with an unknown store or a short retention, and a site without a sandbox is warned of', () => {
    expect(problems(declared)).toEqual([])
    expect(problems(withDumps({ store: 'nowhere' }))).toContain('dumps.store error')
    expect(problems(withDumps({ store: 'backups', retention: '10m' }))).toEqual(['dumps.retention error'])
    const without = {
      ...stack,
      sites: stack.sites.map((site) => ({ ...site, platforms: { hosts: { ...hosts, sandbox: undefined } } })),
    }
    expect(problems(declared, without as unknown as Stack)).toEqual(['dumps warning', 'dumps warning'])
  })

  test('are taken from a replica that keeps up by the word of the master; else from the master', () => {
    const state = stateOf('dc-a', 'dc-a')
    const source = (redis: GroupState['redis']) => dumpSourceIn(declared, 'dc-a', { redis })?.[0] ?? null
    const replica = (more: object) => ({
      ...state.redis,
      'cache-a2': server('10.1.0.11:6379', more),
    })
    expect(source(state.redis)).toBe('cache-a2')
    for (const more of [{ linked: false }, { filling: true }, { loading: true }, { heardAgo: 40 }, { heardAgo: null }])
      expect(source(replica(more))).toBe('cache-a1')
    const attached = (online: boolean, offset: number) => ({
      ...state.redis,
      'cache-a1': server(null, { replicas: [{ address: '10.1.0.12:6379', online, offset }] }),
    })
    expect(source(attached(true, 48_750))).toBe('cache-a2')
    expect(source(attached(false, 48_750))).toBe('cache-a1')
    expect(source({ ...attached(true, 0), 'cache-a1': server(null, { offset: 1e9 }) })).toBe('cache-a1')
    const silent = { is: 'silent', why: 'no answer' } as const
    expect(source({ ...state.redis, 'cache-a1': silent })).toBe('cache-a2')
    expect(source({ 'cache-a1': silent, 'cache-a2': silent })).toBeNull()
  })

  test('that are too old are removed with their descriptions first, and nothing of others is', () => {
    const keys = [
      'cache/20261101T000000Z-0a1b2c3d.rdb',
      'cache/20261101T000000Z.json',
      'cache/20261130T000000Z.json',
      'cache/20261101T000000Z.txt',
      'cache/below/20261101T000000Z.json',
      'cache/by-hand.rdb',
      'other/20261101T000000Z.json',
    ]
    expect(oldBackupsIn(keys, { folder: 'cache/', name: DUMP_NAME, oldest: '20261115T000000Z' })).toEqual([
      'cache/20261101T000000Z.json',
      'cache/20261101T000000Z-0a1b2c3d.rdb',
    ])
  })

  test('of the active site alone are missed when they are old, gone or unreadable', () => {
    const around = {
      activeSite: A,
      now: '2026-11-30T12:00:00.000Z',
      objectives: { backupAge: minutes(60), restoreTime: minutes(10) },
    } as unknown as Assessment
    const codesOf = (dump: NewestDump, site: 'dc-a' | 'dc-b' = 'dc-a') =>
      findingsOfDumps(declared, { [site]: summarized(declared, site, { ...stateOf(site, 'dc-a'), dump }) }, around).map(
        ({ code }) => code,
      )
    const takenAt = (at: string) => ({ takenAt: at }) as CataloguedDump
    expect(codesOf(takenAt('2026-11-30T11:30:00.000Z'))).toEqual([])
    expect(codesOf(takenAt('2026-11-30T10:30:00.000Z'))).toEqual(['dump-old'])
    expect(codesOf(null)).toEqual(['no-dump'])
    expect(codesOf('unreadable')).toEqual(['dumps-unreadable'])
    expect(codesOf(null, 'dc-b')).toEqual([])
  })

  test('are held against what was counted: exactly in the file, and less what expired in the loaded copy', () => {
    const databases = { 0: { keys: 5000, expiring: 0 }, 20: { keys: 30, expiring: 30 } }
    const dump = { keys: 5030, expired: 0, databases, libraries: 1 } as unknown as CataloguedDump
    const listing = { keys: 5030, expired: 3, databases } as unknown as RdbListing
    const counts = (one: Partial<RdbListing>) => judgeCounts(declared, dump, { ...listing, ...one }).outcome
    expect(counts({})).toBe('pass')
    expect(counts({ databases: null })).toBe('pass')
    expect(counts({ keys: 5029 })).toBe('fail')
    expect(counts({ keys: 5031 })).toBe('fail')
    expect(counts({ databases: { 0: { keys: 5030, expiring: 0 } } })).toBe('fail')
    const loaded = { keys: 5030, expired: 0, databases: { 0: 5000, 20: 30 }, libraries: 1 }
    const kept = (one: Partial<typeof loaded>) => judgeKeys(declared, dump, { ...loaded, ...one }).outcome
    expect(kept({})).toBe('pass')
    expect(kept({ keys: 5000, expired: 30, databases: { 0: 5000, 20: 0 } })).toBe('pass')
    expect(kept({ keys: 5029, expired: 1, databases: { 0: 4999, 20: 30 } })).toBe('fail')
    expect(kept({ libraries: 0 })).toBe('fail')
  })

  test('of a newer Redis prove nothing on an older one', () => {
    expect(isOlder('7.0.15', '7.2.4')).toBe(true)
    expect(isOlder('6.2.1', '7.0.0')).toBe(true)
    expect(isOlder('7.0.1', '7.0.15')).toBe(false)
    expect(isOlder('8.0.0', '7.4.6')).toBe(false)
  })
})
