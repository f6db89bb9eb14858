import { describe, expect, test } from '@jest/globals'
import { shippedAndClose } from '../../../../src/drivers/cloudnative-pg/move/checkpoint.ts'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import { formatLsn } from '../../../../src/systems/postgres/wal.ts'
import { MB16, primary, replica } from './cluster-states.ts'

/** The primary switched at the end of segment 7; both go on from there. */
const SIZE = BigInt(MB16)
const MARK = { at: 8n * SIZE, segments: MB16 }
const at = (segments: number): string => formatLsn(BigInt(Math.round(segments * 100)) * (SIZE / 100n))
const judge = (archived: string, current: number, replayed: number) =>
  shippedAndClose(
    MARK,
    { ...primary, lastArchivedWAL: archived, currentLsn: at(current) } as InstanceStatus,
    { ...replica, replayLsn: at(replayed) } as InstanceStatus,
    'pg-dc-b',
  )

describe('before users are shut out', () => {
  test('what was in memory is in the archive', () => {
    expect(judge('000000030000000000000006', 8.1, 8.1)).toEqual({
      is: 'pending',
      waitingFor: 'the archive to take the WAL up to 0/8000000',
    })
  })
  test('what was in memory is replayed', () => {
    expect(judge('000000030000000000000007', 8.1, 7.5)).toEqual({
      is: 'pending',
      waitingFor: 'pg-dc-b to replay up to 0/8000000',
    })
  })
  test('the follower is close to what was written since: users do not wait for a slow link', () => {
    expect(judge('000000030000000000000007', 12.4, 8.1)).toEqual({
      is: 'pending',
      waitingFor: 'pg-dc-b to come closer: users would be shut out until it has replayed 5 segments of WAL',
    })
  })
  test.each([
    ['streams', 12.4, 12.3, 1],
    ['follows by the archive, with one segment on its way', 12.4, 11.01, 2],
  ])('a follower that %s is close', (_, current, replayed, segmentsBehind) => {
    expect(judge('00000003000000000000000A', current, replayed)).toMatchObject({
      is: 'done',
      proof: { segmentsBehind },
    })
  })
})
