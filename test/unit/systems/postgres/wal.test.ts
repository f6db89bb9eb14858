import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  asSegmentBytes,
  formatLsn,
  holdsEnd,
  holesIn,
  newestSegment,
  parseLsn,
  parseSegment,
  reachesAsFar,
  reachFrom,
  segmentBytesNamed,
  segmentName,
  segmentsBetween,
} from '../../../../src/systems/postgres/wal.ts'
import { MB16, segmentsOf } from '../../drivers/cloudnative-pg/cluster-states.ts'

const position = fc.bigInt({ min: 0n, max: (1n << 52n) - 1n })
const timeline = fc.integer({ min: 1, max: 0xffff })
const MEGABYTES = [1, 16, 64, 1024]
const sizes = fc.constantFrom(...MEGABYTES.map(segmentsOf))

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

  test('segments are as long as PostgreSQL can have them, and nothing else is taken for a length', () => {
    expect([1, 2, 512, 1024].map((megabytes) => asSegmentBytes(megabytes * 1024 * 1024))).toEqual(
      [1, 2, 512, 1024].map(segmentsOf),
    )
    for (const none of [0, 0.5, 3, 48, 2048, -16, Number.NaN, Number.POSITIVE_INFINITY])
      expect(asSegmentBytes(none * 1024 * 1024)).toBeNull()
    expect(asSegmentBytes('16777216')).toBeNull()
    expect(asSegmentBytes(null)).toBeNull()
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

  test('the length that a name and a position show is the right one or none, also where the position has moved on by a segment', () => {
    fc.assert(
      fc.property(position, sizes, fc.double({ min: 0, max: 1, noNaN: true }), (at, size, moved) => {
        const told = segmentBytesNamed(segmentName(3, at, size), at + BigInt(Math.floor(moved * size)))
        expect([size, null]).toContain(told)
      }),
    )
    expect(segmentBytesNamed('00000003000000010000002A', (1n << 32n) + 0x2a000028n)).toBe(MB16)
    expect(segmentBytesNamed('000000030000000000000001', 0x1000028n)).toBeNull()
    expect(segmentBytesNamed('', 0x2a000028n)).toBeNull()
  })

  test('the names of two segments say which one reaches farther, without their length', () => {
    fc.assert(
      fc.property(timeline, timeline, position, position, sizes, (one, two, a, b, size) => {
        const [first, second] = [segmentName(one, a, size), segmentName(two, b, size)]
        const ends = [first, second].map((name) => parseSegment(name, size)?.end ?? 0n)
        expect(reachesAsFar(first, second)).toBe((ends[0] ?? 0n) >= (ends[1] ?? 0n))
      }),
    )
    expect(reachesAsFar('00000002.history', '000000010000000000000001')).toBe(false)
  })

  test('names with a suffix of the archiver count as their segment; history files as none', () => {
    const plain = parseSegment('00000002000000000000002A', MB16)
    expect(parseSegment('00000002000000000000002A.partial', MB16)).toEqual(plain)
    expect(parseSegment('00000002000000000000002A.00000028.backup', MB16)).toEqual(plain)
    expect(parseSegment('00000002.history', MB16)).toBeNull()
    expect(parseSegment('', MB16)).toBeNull()
  })

  test('a replica that has all is 0 segments behind, and never less than 0', () => {
    fc.assert(
      fc.property(position, position, sizes, (a, b, size) => {
        const behind = segmentsBetween(a, b, size)
        expect(behind).toBeGreaterThanOrEqual(0)
        expect(behind === 0).toBe(b <= a)
      }),
    )
    expect(segmentsBetween(0x1000000n, 0x3000000n, MB16)).toBe(2)
    expect(segmentsBetween(0x1000000n, 0x3000001n, MB16)).toBe(3)
    expect(segmentsBetween(0x1000000n, 0x3000001n, segmentsOf(64))).toBe(1)
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

describe.each(MEGABYTES.map((megabytes) => [megabytes, segmentsOf(megabytes)] as const))(
  'in an archive of segments of %i MB',
  (_, size) => {
    const BYTES = BigInt(size)
    /** `count` whole segments of one timeline from a segment number on. */
    const run = (line: number, first: number, count: number): string[] =>
      Array.from({ length: count }, (_, index) => segmentName(line, BigInt(first + index) * BYTES, size))

    test('a complete one has no hole, whatever lies before the first needed segment', () => {
      const names = [...run(1, 3, 9), '00000002.history', `${segmentName(1, 3n * BYTES, size)}.00000028.backup`]
      expect(holesIn(names, segmentName(1, 5n * BYTES, size), size)).toEqual([])
    })

    test('exactly the segments that are missing are named, and a follower comes as far as the first of them', () => {
      fc.assert(
        fc.property(fc.integer({ min: 2, max: 40 }), fc.infiniteStream(fc.boolean()), (count, coin) => {
          // Over the end of a log file of 4 GB, where the numbers begin anew.
          const first = Math.max(1, Number((1n << 32n) / BYTES) - 20)
          const names = run(1, first, count)
          const flips = [...coin.take(count)]
          // The newest is what tells how far the archive goes.
          const lost = names.filter((_, index) => index < count - 1 && flips[index] === true)
          const kept = names.filter((name) => !lost.includes(name))
          expect(holesIn(kept, names[0] ?? '', size)).toEqual(lost)
          const reachable = names.slice(0, lost.length === 0 ? count : names.indexOf(lost[0] ?? ''))
          const { last } = reachFrom(kept, BigInt(first) * BYTES + 1n, size)
          expect(last === null ? null : segmentName(1, last.start, size)).toBe(reachable.at(-1) ?? null)
        }),
      )
    })

    test('that holds no segment lacks the first segment that a restore needs', () => {
      expect(holesIn([], '000000010000000000000001', size)).toEqual(['000000010000000000000001'])
    })

    test('a segment of the timeline that was left never hides a hole in the one that was taken', () => {
      const from = segmentName(1, BYTES, size)
      const left = run(1, 1, 10)
      const taken = run(2, 5, 8)
      expect(holesIn([...left, ...taken], from, size)).toEqual([])
      const hole = segmentName(2, 7n * BYTES, size)
      expect(holesIn([...left, ...taken.filter((name) => name !== hole)], from, size)).toEqual([hole])
    })

    test('a partial segment is no whole one', () => {
      const missing = segmentName(1, 3n * BYTES, size)
      expect(
        holesIn([...run(1, 1, 2), `${missing}.partial`, ...run(1, 4, 1)], segmentName(1, BYTES, size), size),
      ).toEqual([missing])
    })

    test('the newest segment is that of the newest timeline', () => {
      expect(newestSegment([...run(1, 1, 30), ...run(2, 5, 3)], size)).toEqual(
        parseSegment(segmentName(2, 7n * BYTES, size), size),
      )
      expect(newestSegment(['00000002.history'], size)).toBeNull()
    })
  },
)
