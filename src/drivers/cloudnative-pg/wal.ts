/** Arithmetic of write-ahead logs: positions (LSN) and the file names of their segments. */

/** CloudNativePG's default; initdb may choose another. */
export const SEGMENT_BYTES = 16n * 1024n * 1024n

/** `1/2A000028` as a number of bytes; null when the text is no position. */
export function parseLsn(text: string | null | undefined): bigint | null {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text ?? '')
  return match === null ? null : (BigInt(`0x${match[1]}`) << 32n) + BigInt(`0x${match[2]}`)
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

/** Whole segments that lie between two positions, partly begun ones included. */
export function segmentsBetween(behind: bigint, ahead: bigint, segmentBytes: bigint = SEGMENT_BYTES): number {
  return ahead <= behind ? 0 : Number((ahead + segmentBytes - 1n) / segmentBytes - behind / segmentBytes)
}

/** Names of segments that are missing between the first needed one and the newest one of its timeline chain. */
export function holesIn(names: readonly string[], from: string, segmentBytes: bigint = SEGMENT_BYTES): string[] {
  const segments = names.map((name) => parseSegment(name, segmentBytes)).filter((segment) => segment !== null)
  const first = parseSegment(from, segmentBytes)
  if (first === null) return [from]
  const present = new Set(segments.map((segment) => segment.start))
  const newest = segments.reduce((end, segment) => (segment.end > end ? segment.end : end), first.end)
  const holes: string[] = []
  for (let start = first.start; start < newest; start += segmentBytes) {
    if (present.has(start)) continue
    const timeline = segments
      .filter((segment) => segment.start <= start)
      .reduce((highest, segment) => Math.max(highest, segment.timeline), first.timeline)
    holes.push(segmentName(timeline, start, segmentBytes))
  }
  return holes
}
