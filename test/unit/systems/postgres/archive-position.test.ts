import { describe, expect, test } from '@jest/globals'
import { newestReplayable } from '../../../../src/systems/postgres/archive-position.ts'
import type { ArchivedWal } from '../../../../src/systems/postgres/barman-archive.ts'
import { parseLsn, type SegmentBytes } from '../../../../src/systems/postgres/wal.ts'

const MB16 = (16 * 1024 * 1024) as SegmentBytes
const at = (segment: number): ArchivedWal => ({
  name: `0000000100000000000000${segment.toString(16).toUpperCase().padStart(2, '0')}`,
  at: `2026-11-21T05:00:${String(segment % 60).padStart(2, '0')}Z`,
})
const archived = (segments: readonly number[]) => async (from: string) =>
  segments.map(at).filter(({ name }) => name >= from)
const reader = (position: string) => ({ timeline: 1, position: parseLsn(position) ?? 0n, segments: MB16 })

describe('what an archive still gives to a replica', () => {
  test('is the newest segment up to the first hole, and the hole is named', async () => {
    expect(await newestReplayable(reader('0/7000100'), archived([6, 7, 8, 10]))).toEqual({
      newest: { segment: at(8).name, at: at(8).at },
      beyond: at(10).name,
    })
  })
  test('is the segment before its own where it has everything that is shipped', async () => {
    expect(await newestReplayable(reader('0/8000100'), archived([6, 7]))).toEqual({
      newest: { segment: at(7).name, at: at(7).at },
    })
  })
  test('is looked for farther back where nothing near is shipped', async () => {
    expect(await newestReplayable(reader('0/20000100'), archived([2, 3]))).toEqual({
      newest: { segment: at(3).name, at: at(3).at },
    })
    expect(await newestReplayable(reader('0/20000100'), archived([]))).toEqual({ newest: null })
  })
})
