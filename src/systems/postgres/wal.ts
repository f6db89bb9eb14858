/** Arithmetic of write-ahead logs: positions (LSN) and the file names of their segments. */

declare const segmentBytes: unique symbol

/**
 * Length of the WAL segments of one database: a power of two from 1 MB to 1 GB. It is chosen when a database begins,
 * and every physical copy has it. No position follows from the name of a file without it, so there is no default: the
 * caller passes it.
 */
export type SegmentBytes = number & { readonly [segmentBytes]: true }

const MEGABYTE = 1024 * 1024

/** Null for what no PostgreSQL can have. */
export function asSegmentBytes(bytes: unknown): SegmentBytes | null {
  const isOne =
    typeof bytes === 'number' && Number.isInteger(Math.log2(bytes)) && bytes >= MEGABYTE && bytes <= 1024 * MEGABYTE
  return isOne ? (bytes as SegmentBytes) : null
}

export const megabytesOf = (segments: SegmentBytes): number => segments / MEGABYTE

/** `1/2A000028` as a number of bytes; null when the text is no position. */
export function parseLsn(text: string | null | undefined): bigint | null {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text ?? '')
  return match === null ? null : (BigInt(`0x${match[1]}`) << 32n) + BigInt(`0x${match[2]}`)
}

/** The inverse of {@link parseLsn}, as PostgreSQL writes it. */
export function formatLsn(position: bigint): string {
  return `${(position >> 32n).toString(16).toUpperCase()}/${(position & 0xffff_ffffn).toString(16).toUpperCase()}`
}

/** How much lies between two positions; nothing where one of them is no position, or they are in the other order. */
export function bytesBetween(from: string, to: string): number {
  const [begin, end] = [parseLsn(from), parseLsn(to)]
  return begin === null || end === null || end <= begin ? 0 : Number(end - begin)
}

export interface Segment {
  readonly timeline: number
  /** Position of its first byte. */
  readonly start: bigint
  /** Position after its last byte. */
  readonly end: bigint
}

/**
 * The segment with a file name such as `00000002000000000000002A`; null for what is none (`.history` files).
 * `pg_stat_archiver.last_archived_wal` may carry the suffixes of backup labels and partial segments.
 */
export function parseSegment(name: string, segments: SegmentBytes): Segment | null {
  const match = NAME.exec(name)
  if (match === null) return null
  const size = BigInt(segments)
  const start = (BigInt(`0x${match[2]}`) * (LOG / size) + BigInt(`0x${match[3]}`)) * size
  return { timeline: Number(BigInt(`0x${match[1]}`)), start, end: start + size }
}
const NAME = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.[0-9A-F]{8}\.backup|\.partial)?$/i
/** Bytes that the middle part of a name counts. */
const LOG = 0x1_0000_0000n

/** Timeline in the name of a segment; null for what is none. */
export const timelineIn = (name: string): number | null => {
  const match = NAME.exec(name)
  return match === null ? null : Number(BigInt(`0x${match[1]}`))
}

/**
 * Whether the segment of one name ends no earlier than that of another one of the same database, whatever their
 * timelines and their length.
 */
export function reachesAsFar(name: string, other: string): boolean {
  const [one, two] = [NAME.exec(name), NAME.exec(other)]
  if (one === null || two === null) return false
  const placeOf = (match: RegExpExecArray): string => `${match[2]}${match[3]}`.toUpperCase()
  return placeOf(one) >= placeOf(two)
}

/**
 * The length of segments, from the name of the one that a primary writes to and its position, given in one breath. Null
 * where they leave it open: in the first two segments of every 4 GB several lengths give the same name, or would if the
 * position had moved on in between.
 */
export function segmentBytesNamed(name: string, position: bigint): SegmentBytes | null {
  const match = NAME.exec(name)
  if (match === null || BigInt(`0x${match[2]}`) !== position >> 32n) return null
  const number = BigInt(`0x${match[3]}`)
  if (number < 2n) return null
  const inLog = position & (LOG - 1n)
  const fitting = SIZES.filter((size) => inLog / BigInt(size) === number)
  return fitting.length === 1 ? (fitting[0] ?? null) : null
}
const SIZES = Array.from({ length: 11 }, (_, power) => 2 ** power * MEGABYTE).flatMap(
  (bytes) => asSegmentBytes(bytes) ?? [],
)

/** The file name of the segment that holds a position. */
export function segmentName(timeline: number, position: bigint, segments: SegmentBytes): string {
  const size = BigInt(segments)
  const number = position / size
  const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0')
  return `${hex(BigInt(timeline))}${hex(number / (LOG / size))}${hex(number % (LOG / size))}`
}

/** Position of the first byte of the segment that holds a position. */
export const startOfSegment = (position: bigint, segments: SegmentBytes): bigint =>
  position - (position % BigInt(segments))

/** The file that says where a timeline left the ones before it; the first has none. */
export const historyName = (timeline: number): string =>
  `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`

/**
 * Whether a folder of WAL (its file names, blanks between them) has all that a promotion reads: the segment of its last
 * record, and the history of its timeline.
 */
export function holdsEnd(files: string, lastSegment: string, timeline: number): boolean {
  const here = new Set(files.split(' '))
  return here.has(lastSegment) && (timeline === 1 || here.has(historyName(timeline)))
}

/** Whole segments that lie between two positions, partly begun ones included. */
export function segmentsBetween(behind: bigint, ahead: bigint, segments: SegmentBytes): number {
  const size = BigInt(segments)
  return ahead <= behind ? 0 : Number((ahead + size - 1n) / size - behind / size)
}

/** The whole segments among the names of an archive or of `pg_wal`. */
export const wholeSegments = (names: readonly string[], segments: SegmentBytes): Segment[] =>
  names.filter((name) => name.length === 24).flatMap((name) => parseSegment(name, segments) ?? [])

/**
 * Names of the whole segments that are missing between the first needed one and the newest one. A timeline owns every
 * position from its first archived segment on, so a segment of an older timeline never hides a hole in a newer one.
 */
export function holesIn(names: readonly string[], from: string, segments: SegmentBytes): string[] {
  const first = parseSegment(from, segments)
  if (first === null) return [from]
  const whole = wholeSegments(names, segments)
  const needed = whole.filter((segment) => segment.timeline >= first.timeline && segment.start >= first.start)
  const present = new Set(needed.map(keyOf))
  const begins = new Map<number, bigint>([[first.timeline, first.start]])
  for (const { timeline, start } of needed) {
    const known = begins.get(timeline)
    if (known === undefined || start < known) begins.set(timeline, start)
  }
  const owners = [...begins].sort(([a], [b]) => b - a)
  const end = newestOf(needed)?.end ?? first.end
  const holes: string[] = []
  for (let { start } = first; start < end; start += BigInt(segments)) {
    const timeline = owners.find(([, begin]) => begin <= start)?.[0] ?? first.timeline
    if (!present.has(keyOf({ timeline, start }))) holes.push(segmentName(timeline, start, segments))
  }
  return holes
}

const keyOf = (segment: Pick<Segment, 'timeline' | 'start'>): string => `${segment.timeline}:${segment.start}`

/** The newest segment of the newest timeline; null when there is none. */
export const newestSegment = (names: readonly string[], segments: SegmentBytes): Segment | null =>
  newestOf(wholeSegments(names, segments))

const newestOf = (whole: readonly Segment[]): Segment | null =>
  whole.reduce<Segment | null>(
    (newest, one) =>
      newest === null ||
      one.timeline > newest.timeline ||
      (one.timeline === newest.timeline && one.start > newest.start)
        ? one
        : newest,
    null,
  )

/** How far a follower can come with what is archived. */
export interface Reach {
  /** The last segment that can be replayed; null when the archive holds nothing that the follower lacks. */
  readonly last: Segment | null
  /** A segment after a hole: it exists and can never be replayed. */
  readonly beyond: string | null
}

/**
 * What an archive still gives to a follower at a position: segment after segment, whatever their timelines, up to the
 * first hole.
 */
export function reachFrom(names: readonly string[], position: bigint, segments: SegmentBytes): Reach {
  const newestAt = new Map<bigint, Segment>()
  for (const segment of wholeSegments(names, segments)) {
    const known = newestAt.get(segment.start)
    if (known === undefined || segment.timeline > known.timeline) newestAt.set(segment.start, segment)
  }
  let last: Segment | null = null
  let next = startOfSegment(position, segments)
  for (let segment = newestAt.get(next); segment !== undefined; segment = newestAt.get(next)) {
    last = segment
    next += BigInt(segments)
  }
  const beyond = [...newestAt.values()]
    .filter(({ start }) => start > next)
    .sort((a, b) => (a.start < b.start ? -1 : 1))[0]
  return { last, beyond: beyond === undefined ? null : segmentName(beyond.timeline, beyond.start, segments) }
}
