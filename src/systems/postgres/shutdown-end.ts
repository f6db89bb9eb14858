import { type ControlData, parseControlData } from './control-data.ts'
import { formatLsn, parseLsn } from './wal.ts'

/** A primary that was shut down in good order. */
export interface ShutDownPrimary {
  readonly timeline: number
  /**
   * Where its WAL ends, in bytes: after its shutdown checkpoint, where a standby stands that has received all of it.
   */
  readonly endedAt: number
}

/**
 * Where the WAL of a primary ends that was shut down in good order, by what `pg_controldata` says of it and by the line
 * that `pg_waldump` prints of its last checkpoint; null where the server was no primary, was not shut down in good
 * order, or where the two do not agree. The control file names the begin of that record, and a standby the end of what
 * it has received: without the length of the record, a standby that lacks it would look as if it had all. Pure.
 */
export function shutDownPrimaryIn(controldata: string, waldump: string): ShutDownPrimary | null {
  const control = parseControlData(controldata)
  const pageBytes = Number(/^WAL block size:\s*(\d+)\s*$/m.exec(controldata)?.[1])
  if (control === null || control.state !== 'shut down' || !Number.isInteger(Math.log2(pageBytes))) return null
  const begin = parseLsn(control.checkpoint)
  const length = lengthOfCheckpoint(waldump, control)
  if (begin === null || length === null) return null
  return { timeline: control.timeline, endedAt: endOfRecord(Number(begin), length, { ...control, pageBytes }) }
}

/** `rmgr: XLOG len (rec/tot): 114/ 114, tx: 0, lsn: 0/03000148, prev 0/030000D0, desc: CHECKPOINT_SHUTDOWN redo …` */
function lengthOfCheckpoint(waldump: string, { checkpoint }: ControlData): number | null {
  const found = RECORD.exec(waldump)
  const [, length, at] = found ?? []
  const begin = parseLsn(at)
  return length === undefined || begin === null || formatLsn(begin) !== checkpoint ? null : Number(length)
}
const RECORD =
  /^rmgr: XLOG\s+len \(rec\/tot\):\s*\d+\/\s*(\d+),.* lsn: ([0-9A-F]+\/[0-9A-F]+),.* desc: CHECKPOINT_SHUTDOWN /m

/** Each record begins at a multiple of 8 bytes. */
const ALIGNED = 8
/** Of each page of WAL, and of the first one of a segment (SizeOfXLogShortPHD, SizeOfXLogLongPHD of PostgreSQL). */
const PAGE_HEADER = 24
const SEGMENT_HEADER = 40

/** Where a record ends: it goes on after the header of the next page where it does not fit. Pure. */
export function endOfRecord(
  begin: number,
  length: number,
  { pageBytes, segmentBytes }: { readonly pageBytes: number; readonly segmentBytes: number },
): number {
  let at = begin
  let left = Math.ceil(length / ALIGNED) * ALIGNED
  for (;;) {
    const room = pageBytes - (at % pageBytes)
    if (left <= room) return at + left
    at += room
    left -= room
    at += at % segmentBytes === 0 ? SEGMENT_HEADER : PAGE_HEADER
  }
}
