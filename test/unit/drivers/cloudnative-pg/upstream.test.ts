import { expect, test } from '@jest/globals'
import { seeUpstream } from '../../../../src/drivers/cloudnative-pg/failover/upstream.ts'
import type { SegmentBytes } from '../../../../src/systems/postgres/wal.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { cluster, MB16, replica, segmentsOf } from './cluster-states.ts'
import { theDatabase } from './database-stack.ts'

const wal = (number: number) => `00000003000000000000000${number}`

/** What a follower at a position sees of an archive; each segment arrived as many seconds past six as its number. */
async function seen(
  replayLsn: string,
  numbers: readonly number[],
  timeLineID = 3,
  own: SegmentBytes | null = MB16,
  backupInfo: string | null = null,
) {
  const objects = numbers.map((number) => ({
    key: `postgresql/pg-dc-a-g1/wals/0000000300000000/${wal(number)}.gz`,
    modified: `2026-11-21T06:00:0${number}Z`,
  }))
  const base = 'postgresql/pg-dc-a-g1/base/20261121T021500/backup.info'
  const store = {
    list: async (prefix: string, { startAfter = '' } = {}) => {
      if (!prefix.endsWith('/base/')) return objects.filter(({ key }) => key > startAfter)
      return backupInfo === null ? [] : [{ key: base, bytes: 1 }]
    },
    get: async (key: string) => (key === base ? { body: backupInfo } : null),
  }
  const context = { signal: AbortSignal.timeout(5_000), objectStore: () => ({ location: {}, open: async () => store }) }
  const follower = cluster('pg-dc-b', {
    externalClusters: [{ name: 'pg-dc-a', plugin: { parameters: { serverName: 'pg-dc-a-g1' } } }],
  })
  return seeUpstream(
    theDatabase(),
    follower,
    { ...replica, timeLineID, replayLsn },
    own,
    context as unknown as FlatContext,
  )
}

test('the newest segment of an archive is the one that can still be replayed, not one after a hole', async () => {
  expect(await seen('0/3000100', [3, 4, 7])).toMatchObject({
    newest: { segment: wal(4), at: '2026-11-21T06:00:04Z' },
    beyond: wal(7),
  })
})
test('an archive without a hole is followed to its end', async () => {
  const upstream = await seen('0/3000100', [2, 3, 4, 5])
  expect(upstream?.newest).toEqual({ segment: wal(5), at: '2026-11-21T06:00:05Z' })
  expect(upstream).not.toHaveProperty('beyond')
})
test('a follower at the end of a segment has that one as the newest, and goes on to the next', async () => {
  expect((await seen('0/5000000', [3, 4]))?.newest?.segment).toBe(wal(4))
  expect((await seen('0/5000000', [3, 4, 5]))?.newest?.segment).toBe(wal(5))
})
test('a primary that died before it shipped its newest segments has shipped an earlier one', async () => {
  expect((await seen('0/7000100', [3, 4]))?.newest).toEqual({ segment: wal(4), at: '2026-11-21T06:00:04Z' })
})
test('a follower on a timeline of which nothing is shipped yet hears of the last shipment before it', async () => {
  expect((await seen('0/5000100', [3, 4], 4))?.newest).toEqual({ segment: wal(4), at: '2026-11-21T06:00:04Z' })
})
test('a segment after a hole is never the newest, however long the archive is', async () => {
  expect(await seen('0/7000100', [9])).toMatchObject({ newest: null, beyond: wal(9) })
})
test('a follower that streams in a segment which is not shipped yet hears of the shipment before it', async () => {
  expect((await seen('0/5000100', [3, 4]))?.newest).toEqual({ segment: wal(4), at: '2026-11-21T06:00:04Z' })
})

test('where a follower does not say how long its segments are, a backup in the archive does', async () => {
  const info = 'status=DONE\nbegin_wal=000000030000000000000001\nxlog_segment_size=67108864\n'
  // Segments of 64 MB: the follower is in the fourth, and the fifth has arrived.
  expect(await seen('0/10000100', [3, 4, 5], 3, null, info)).toMatchObject({
    newest: { segment: wal(5) },
    segmentBytes: segmentsOf(64),
  })
  expect(await seen('0/10000100', [3, 4, 5], 3, segmentsOf(64), info)).not.toHaveProperty('segmentBytes')
})
test('where no cluster says it, the names in an archive give no newest segment', async () => {
  for (const info of [null, 'status=DONE\n', 'status=FAILED\nxlog_segment_size=67108864\n'])
    expect(await seen('0/3000100', [3, 4], 3, null, info)).toEqual(
      expect.objectContaining({ silent: null, newest: null }),
    )
})
