import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { lossSinceFork } from '../../../../src/systems/postgres/measured-loss.ts'
import { type BeforeFailover, lossOfFailover } from '../../../../src/systems/postgres/predicted-loss.ts'
import { formatLsn, type SegmentBytes } from '../../../../src/systems/postgres/wal.ts'

const MB16 = (16 * 1024 * 1024) as SegmentBytes
const NOW = '2026-11-21T06:00:00Z'
const successor: BeforeFailover['successor'] = {
  name: 'standby',
  archiveTimeout: null,
  systemId: '77',
  currentLsn: null,
  receivedLsn: '0/7000000',
  replayLsn: '0/7000000',
  streams: false,
  shippedWal: null,
  shippedAt: null,
  segmentBytes: MB16,
  archive: null,
}
const archive = { silent: null, newest: { segment: '000000010000000000000007', at: '2026-11-21T05:58:00Z' } }
const lost = { name: 'primary', answers: false, currentLsn: null }

describe('the predicted loss of a failover, from values that SQL and an archive give', () => {
  test('has no upper end where the primary is silent and its last shipment is unknown', () => {
    expect(lossOfFailover({ lost, successor, ahead: null, now: NOW })).toMatchObject({
      bytes: [0, null],
      seconds: [0, null],
    })
  })
  test('is bounded in seconds by the newest shipment, and estimated by archive_timeout', () => {
    const known = { ...successor, archive, archiveTimeout: 60_000 }
    expect(lossOfFailover({ lost, successor: known, ahead: null, now: NOW })).toMatchObject({
      seconds: [0, 120],
      likely: 60,
    })
    const streams = { ...known, streams: true }
    expect(lossOfFailover({ lost, successor: streams, ahead: null, now: NOW })).not.toHaveProperty('likely')
  })
  test('is exact in bytes where the primary answers, what the archive still gives included', () => {
    const answering = { name: 'primary', answers: true, currentLsn: '0/8000500' }
    expect(lossOfFailover({ lost: answering, successor, ahead: null, now: NOW }).bytes).toEqual([0, 0x1000500])
    const reads = { ...successor, archive }
    expect(lossOfFailover({ lost: answering, successor: reads, ahead: null, now: NOW }).bytes).toEqual([0, 0x500])
  })
  test('is at least what another replica holds beyond', () => {
    const ahead = { site: 'dc-c', bytes: 4711 }
    expect(lossOfFailover({ lost, successor, ahead, now: NOW }).bytes).toEqual([4711, null])
  })
})

describe('the measured loss of a failover', () => {
  const after = { forkedAt: '0/7000000', lastSeenAt: null, lastCommitAt: '2026-11-21T05:59:00Z', closedAt: NOW }
  test('is exact where the fenced primary says where its WAL ends', () => {
    const fenced = { endedAt: '0/7000100', state: 'shut down' }
    expect(lossSinceFork({ ...after, fenced })).toEqual({
      bytes: [0x100, 0x100],
      seconds: [0, 60],
      why: 'the old primary was fenced at 0/7000100',
    })
    const nothing = { endedAt: '0/7000000', state: 'shut down' }
    expect(lossSinceFork({ ...after, fenced: nothing })).toMatchObject({ bytes: [0, 0], seconds: [0, 0] })
  })
  test('has an open end after a crash, and where the primary was never seen again', () => {
    const crashed = { endedAt: null, state: 'in production' }
    expect(lossSinceFork({ ...after, fenced: crashed }).bytes).toEqual([0, null])
    expect(lossSinceFork({ ...after, fenced: null, lastSeenAt: '0/7000200' }).bytes).toEqual([0x200, null])
  })
  test('never has a lower end above its upper one', () => {
    const lsn = fc.bigInt({ min: 0n, max: (1n << 40n) - 1n }).map(formatLsn)
    const maybe = fc.option(lsn)
    fc.assert(
      fc.property(lsn, maybe, maybe, (forkedAt, endedAt, lastSeenAt) => {
        const { bytes } = lossSinceFork({ ...after, forkedAt, fenced: { endedAt, state: null }, lastSeenAt })
        expect(bytes[0]).toBeGreaterThanOrEqual(0)
        if (bytes[1] !== null) expect(bytes[1]).toBeGreaterThanOrEqual(bytes[0])
      }),
    )
  })
})
