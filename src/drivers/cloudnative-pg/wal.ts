/** Arithmetic of write-ahead logs: positions (LSN) and the file names of their segments. */

/** CloudNativePG's default, and the only size that is computed with; a cluster with another one is refused (`wal-segments-other`). */
export const SEGMENT_MEGABYTES = 16
export const SEGMENT_BYTES = BigInt(SEGMENT_MEGABYTES) * 1024n * 1024n

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
  /** Position behind its last byte. */
  readonly end: bigint
}

/**
 * The segment behind a file name such as `00000002000000000000002A`; null for what is none (`.history` files).
 * `pg_stat_archiver.last_archived_wal` may carry the suffixes of backup labels and partial segments.
 */
export function parseSegment(name: string, segmentBytes: bigint = SEGMENT_BYTES): Segment | null {
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.[0-9A-F]{8}\.backup|\.partial)?$/i.exec(name)
  if (match === null) return null
  const perLog = 0x1_0000_0000n / segmentBytes
  const start = (BigInt(`0x${match[2]}`) * perLog + BigInt(`0x${match[3]}`)) * segmentBytes
  return { timeline: Number(BigInt(`0x${match[1]}`)), start, end: start + segmentBytes }
}

/** The file name of the segment that holds a position. */
export function segmentName(timeline: number, position: bigint, segmentBytes: bigint = SEGMENT_BYTES): string {
  const perLog = 0x1_0000_0000n / segmentBytes
  const number = position / segmentBytes
  const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0')
  return `${hex(BigInt(timeline))}${hex(number / perLog)}${hex(number % perLog)}`
}

/** The file that says where a timeline left the ones before it; the first has none. */
export const historyName = (timeline: number): string => `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`

/** Whether a folder of WAL (its file names, blanks between them) has all that a promotion reads: the segment of its last record, and the history of its timeline. */
export function holdsEnd(files: string, lastSegment: string, timeline: number): boolean {
  const here = new Set(files.split(' '))
  return here.has(lastSegment) && (timeline === 1 || here.has(historyName(timeline)))
}

/** Whole segments that lie between two positions, partly begun ones included. */
export function segmentsBetween(behind: bigint, ahead: bigint, segmentBytes: bigint = SEGMENT_BYTES): number {
  return ahead <= behind ? 0 : Number((ahead + segmentBytes - 1n) / segmentBytes - behind / segmentBytes)
}

/**
 * Names of the whole segments that are missing between the first needed one and the newest one. A timeline owns every position from
 * its first archived segment on, so a segment of an older timeline never hides a hole in a newer one.
 */
export function holesIn(names: readonly string[], from: string, segmentBytes: bigint = SEGMENT_BYTES): string[] {
  const first = parseSegment(from, segmentBytes)
  if (first === null) return [from]
  const whole = names.filter((name) => name.length === 24).flatMap((name) => parseSegment(name, segmentBytes) ?? [])
  const needed = whole.filter((segment) => segment.timeline >= first.timeline && segment.start >= first.start)
  const present = new Set(needed.map(keyOf))
  const begins = new Map<number, bigint>([[first.timeline, first.start]])
  for (const { timeline, start } of needed) {
    const known = begins.get(timeline)
    if (known === undefined || start < known) begins.set(timeline, start)
  }
  const owners = [...begins].sort(([a], [b]) => b - a)
  const newest = newestSegment(
    needed.map((segment) => segmentName(segment.timeline, segment.start, segmentBytes)),
    segmentBytes,
  )
  const end = newest === null ? first.end : newest.end
  const holes: string[] = []
  for (let start = first.start; start < end; start += segmentBytes) {
    const timeline = owners.find(([, begin]) => begin <= start)?.[0] ?? first.timeline
    if (!present.has(keyOf({ timeline, start }))) holes.push(segmentName(timeline, start, segmentBytes))
  }
  return holes
}

const keyOf = (segment: Pick<Segment, 'timeline' | 'start'>): string => `${segment.timeline}:${segment.start}`

/** The newest segment of the newest timeline; null when there is none. */
export function newestSegment(names: readonly string[], segmentBytes: bigint = SEGMENT_BYTES): Segment | null {
  const whole = names.filter((name) => name.length === 24).flatMap((name) => parseSegment(name, segmentBytes) ?? [])
  return whole.reduce<Segment | null>(
    (newest, one) =>
      newest === null || one.timeline > newest.timeline || (one.timeline === newest.timeline && one.start > newest.start) ? one : newest,
    null,
  )
}

/** How far a follower can come with what is archived. */
export interface Reach {
  /** The last segment that can be replayed; null when the archive holds nothing that the follower lacks. */
  readonly last: Segment | null
  /** A segment behind a hole: it is there and can never be replayed. */
  readonly beyond: string | null
}

/** What an archive still gives to a follower at a position: segment after segment, whatever their timelines, up to the first hole. */
export function reachFrom(names: readonly string[], position: bigint, segmentBytes: bigint = SEGMENT_BYTES): Reach {
  const whole = names.filter((name) => name.length === 24).flatMap((name) => parseSegment(name, segmentBytes) ?? [])
  const newestAt = new Map<bigint, Segment>()
  for (const segment of whole) {
    const known = newestAt.get(segment.start)
    if (known === undefined || segment.timeline > known.timeline) newestAt.set(segment.start, segment)
  }
  let last: Segment | null = null
  let next = (position / segmentBytes) * segmentBytes
  for (let segment = newestAt.get(next); segment !== undefined; segment = newestAt.get(next)) {
    last = segment
    next += segmentBytes
  }
  const beyond = [...newestAt.values()].filter(({ start }) => start > next).sort((a, b) => (a.start < b.start ? -1 : 1))[0]
  return { last, beyond: beyond === undefined ? null : segmentName(beyond.timeline, beyond.start, segmentBytes) }
}
