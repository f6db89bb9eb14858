import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  formatLsn,
  holdsEnd,
  holesIn,
  newestSegment,
  parseLsn,
  parseSegment,
  SEGMENT_BYTES,
  segmentName,
  segmentsBetween,
} from '../../../../src/drivers/cloudnative-pg/wal.ts'

const position = fc.bigInt({ min: 0n, max: (1n << 52n) - 1n })
const timeline = fc.integer({ min: 1, max: 0xffff })
const sizes = fc.constantFrom(1n << 20n, SEGMENT_BYTES, 1n << 30n)

/** `count` whole segments of one timeline from a segment number on. */
const run = (line: number, first: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => segmentName(line, BigInt(first + index) * SEGMENT_BYTES))

describe('positions and segments', () => {
  test('a position reads as PostgreSQL writes it', () => {
    expect(parseLsn('1/2A000028')).toBe((1n << 32n) + 0x2a000028n)
    expect(formatLsn(parseLsn('1/2A000028') ?? 0n)).toBe('1/2A000028')
    expect(parseLsn('')).toBeNull()
    expect(parseLsn('-infinity')).toBeNull()
    expect(parseLsn(undefined)).toBeNull()
  })

  test('every position survives being written and read', () => {
    fc.assert(fc.property(position, (at) => parseLsn(formatLsn(at)) === at))
  })

  test('a segment holds the position that it is named after, whatever the segment size', () => {
    fc.assert(
      fc.property(timeline, position, sizes, (line, at, size) => {
        const segment = parseSegment(segmentName(line, at, size), size)
        expect(segment?.timeline).toBe(line)
        expect(segment !== null && segment.start <= at && at < segment.end).toBe(true)
      }),
    )
  })

  test('names with a suffix of the archiver count as their segment; history files as none', () => {
    const plain = parseSegment('00000002000000000000002A')
    expect(parseSegment('00000002000000000000002A.partial')).toEqual(plain)
    expect(parseSegment('00000002000000000000002A.00000028.backup')).toEqual(plain)
    expect(parseSegment('00000002.history')).toBeNull()
    expect(parseSegment('')).toBeNull()
  })

  test('a replica that has all is 0 segments behind, and never less than 0', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        const behind = segmentsBetween(a, b)
        expect(behind).toBeGreaterThanOrEqual(0)
        expect(behind === 0).toBe(b <= a)
      }),
    )
    expect(segmentsBetween(0x1000000n, 0x3000000n)).toBe(2)
    expect(segmentsBetween(0x1000000n, 0x3000001n)).toBe(3)
  })
})

describe('a promotion that asks no archive', () => {
  const segment = '00000003000000000000002A'
  test.each<[string, string, number, boolean]>([
    ['has the segment and its history', `000000030000000000000029 ${segment} 00000003.history`, 3, true],
    ['lacks the history', segment, 3, false],
    ['lacks the segment', '00000003.history', 3, false],
    ['has the segment in parts', `${segment}.partial 00000003.history`, 3, false],
    ['is empty', '', 3, false],
  ])('finds all that it reads in pg_wal, or not: pg_wal %s', (_, files, timeline, expected) => {
    expect(holdsEnd(files, segment, timeline)).toBe(expected)
  })
  test('reads no history of the first timeline, which has none', () => {
    expect(holdsEnd('00000001000000000000002A', '00000001000000000000002A', 1)).toBe(true)
  })
})

describe('holes in an archive', () => {
  test('a complete archive has none, whatever lies before the first needed segment', () => {
    const names = [...run(1, 3, 9), '00000002.history', '000000010000000000000003.00000028.backup']
    expect(holesIn(names, segmentName(1, 5n * SEGMENT_BYTES))).toEqual([])
  })

  test('exactly the segments that are missing are named', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.infiniteStream(fc.boolean()), (count, coin) => {
        const names = run(1, 7, count)
        const flips = [...coin.take(count)]
        // The newest is what tells how far the archive goes.
        const lost = names.filter((_, index) => index < count - 1 && flips[index] === true)
        const kept = names.filter((name) => !lost.includes(name))
        expect(holesIn(kept, names[0] ?? '')).toEqual(lost)
      }),
    )
  })

  test('an empty archive misses the first segment that a restore needs', () => {
    expect(holesIn([], '000000010000000000000005')).toEqual(['000000010000000000000005'])
  })

  test('a segment of the timeline that was left never hides a hole in the one that was taken', () => {
    const from = segmentName(1, 1n * SEGMENT_BYTES)
    const left = run(1, 1, 10)
    const taken = run(2, 5, 8)
    expect(holesIn([...left, ...taken], from)).toEqual([])
    const hole = segmentName(2, 7n * SEGMENT_BYTES)
    expect(holesIn([...left, ...taken.filter((name) => name !== hole)], from)).toEqual([hole])
  })

  test('a partial segment is no whole one', () => {
    const names = [...run(1, 1, 2), `${segmentName(1, 3n * SEGMENT_BYTES)}.partial`, ...run(1, 4, 1)]
    expect(holesIn(names, segmentName(1, SEGMENT_BYTES))).toEqual([segmentName(1, 3n * SEGMENT_BYTES)])
  })

  test('the newest segment is that of the newest timeline', () => {
    expect(newestSegment([...run(1, 1, 30), ...run(2, 5, 3)])).toEqual(parseSegment(segmentName(2, 7n * SEGMENT_BYTES)))
    expect(newestSegment(['00000002.history'])).toBeNull()
  })
})
