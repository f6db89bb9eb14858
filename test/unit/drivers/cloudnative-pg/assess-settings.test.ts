import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { assessSwitchover } from '../../../../src/drivers/cloudnative-pg/assess/assess.ts'
import { assessFailover } from '../../../../src/drivers/cloudnative-pg/assess/assess-lost-site.ts'
import { gapsOf } from '../../../../src/drivers/cloudnative-pg/position.ts'
import type { SegmentBytes } from '../../../../src/systems/postgres/wal.ts'
import { type Change, segmentsOf, states } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const now = '2026-11-21T06:00:00Z'
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const stack = databaseStack()
const around = { now, objectives: stack.objectives, activeSite: 'dc-a', stack }
const switchover: Intent = { mode: 'switchover', from: dcA, to: dcB }
const codes = (change: Change): string[] =>
  assessSwitchover(theDatabase(), states(change), switchover, around).map(
    ({ severity, code, site }) => `${severity} ${code}@${site}`,
  )

describe('before the doors of a switchover close, it is known', () => {
  test.each<[string, Change, string[]]>([
    [
      'that the sites declare two major versions',
      { b: { spec: { imageName: 'postgresql:17.2' } } },
      ['blocker database-version-differs@dc-b'],
    ],
    [
      'that the new site has an older minor version',
      { a: { spec: { imageName: 'postgresql:16.9' } }, b: { spec: { imageName: 'postgresql:16.4' } } },
      ['warning database-version-older@dc-b'],
    ],
    [
      'that the new site could not replay',
      {
        a: { spec: { postgresql: { parameters: { max_connections: '200' } } } },
        b: { spec: { postgresql: { parameters: { max_connections: '100' } } } },
      },
      ['warning replica-setting-lower@dc-b'],
    ],
    [
      'that the new site would wait for standbys that it cannot have',
      { b: { spec: { postgresql: { synchronous: { method: 'any', number: 1 } } } } },
      ['blocker synchronous-too-few@dc-b'],
    ],
    ['the same, declared the older way', { b: { spec: { minSyncReplicas: 1 } } }, ['blocker synchronous-too-few@dc-b']],
    [
      'that the operators differ',
      { b: { instance: { instanceManagerVersion: '1.30.1' } } },
      ['warning operators-differ@dc-b'],
    ],
    [
      'that no site says how long WAL segments are',
      { a: { segmentBytes: null }, b: { segmentBytes: null } },
      ['blocker wal-segments-unknown@dc-b'],
    ],
    [
      'that two copies contradict each other there',
      { a: { segmentBytes: segmentsOf(64) } },
      ['blocker wal-segments-unknown@dc-b'],
    ],
  ])('%s', (_, change, expected) => expect(codes(change)).toEqual(expected))

  test.each<[string, Change]>([
    [
      'standbys are waited for while they are there',
      { b: { spec: { postgresql: { synchronous: { number: 1, dataDurability: 'preferred' } } } } },
    ],
    [
      'the new site has more',
      {
        a: { spec: { postgresql: { parameters: { max_connections: '100' } } } },
        b: { spec: { postgresql: { parameters: { max_connections: '200' } } } },
      },
    ],
    ['one of the copies says how long their WAL segments are', { b: { segmentBytes: null } }],
    [
      'the images name no version',
      { a: { spec: { imageName: 'registry/postgres@sha256:1' } }, b: { spec: { imageName: 'postgres:latest' } } },
    ],
  ])('no finding where %s', (_, change) => expect(codes(change)).toEqual([]))
})

describe('a distance in segments', () => {
  // 604 MB are written, and as many whole segments shipped as fit.
  const behind = (segmentBytes: SegmentBytes | null, lastArchivedWAL: string): Change => ({
    a: { segmentBytes, instance: { currentLsn: '0/25C00000', lastArchivedWAL } },
    b: { segmentBytes: null, instance: { replayLsn: '0/0' } },
  })
  test.each([
    [1, '00000003000000000000025B', 604, ['blocker too-far-behind@dc-b']],
    [16, '000000030000000000000024', 37, ['blocker too-far-behind@dc-b']],
    [64, '000000030000000000000008', 9, ['blocker too-far-behind@dc-b']],
    [256, '000000030000000000000001', 2, []],
  ])('of %i MB is counted in segments of that length', (megabytes, newest, segments, expected) => {
    const change = behind(segmentsOf(megabytes), newest)
    expect(gapsOf(states(change), dcA, now)['dc-b']).toMatchObject({ segments, bytes: 0x25c00000 })
    expect(codes(change)).toEqual(expected)
  })
  test('is unknown instead of wrong where no site says how long they are, and known in bytes', () => {
    const seen = states(behind(null, '000000030000000000000024'))
    expect(gapsOf(seen, dcA, now)['dc-b']).toMatchObject({ segments: null, bytes: 0x25c00000 })
  })
})

test('a failover goes on where no site says how long WAL segments are: its drain asks the follower itself', () => {
  const seen = states({ b: { segmentBytes: null } })
  const found = assessFailover(theDatabase(), seen, { mode: 'failover', from: dcA, to: dcB }, around)
  expect(found.find(({ code }) => code === 'wal-segments-unknown')?.severity).toBe('warning')
})

test('a failover is not held up by what a deploy mends afterwards', () => {
  const seen = states({ b: { spec: { postgresql: { synchronous: { number: 1 } } } } })
  const found = assessFailover(theDatabase(), seen, { mode: 'failover', from: dcA, to: dcB }, around)
  expect(found.find(({ code }) => code === 'synchronous-too-few')?.severity).toBe('warning')
})
