import { type Milliseconds, minutes } from '../../values/duration.ts'
import type { ControlData } from './control-data.ts'
import { type Divergence, divergenceIn } from './divergent-wal.ts'
import { type Fork, spansSince } from './timeline-history.ts'
import { formatLsn, parseLsn, type SegmentBytes, segmentName, startOfSegment, wholeSegments } from './wal.ts'

/**
 * Runs a POSIX shell script on the machine of a stopped server, with its PGDATA in the environment. The arguments are
 * `$0`, `$1`, …: data, never part of the script.
 */
export type ServerShell = (
  script: string,
  args: readonly string[],
  deadline: Milliseconds,
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>

/** Lines of pg_waldump that are read. */
const MOST_RECORDS = 200_000

export interface Decoded {
  /** Null: the WAL could not be decoded here, and its content is unknown. */
  readonly divergence: Divergence | null
  /** Whether all of it was read; otherwise what is counted is a lower end. */
  readonly complete: boolean
  /** Names of the segments that should exist and do not. */
  readonly missing: readonly string[]
  /** Whether the WAL provably ends at the fork: nothing was ever committed beyond it. */
  readonly endsAtFork: boolean
}

/**
 * What `pg_waldump` says of the WAL after a fork, timeline by timeline. It prints nothing where its first segment is
 * missing, and the end of the WAL is always an error to it. Whether there is something to read is judged by the names
 * of the segments before the call, and by its messages after it. `names`: the files of `pg_wal`; `own`: how the server
 * came to its timeline.
 */
export async function decodeDivergence(
  shell: ServerShell,
  names: readonly string[],
  fork: Fork,
  own: readonly Fork[],
  { timeline, checkpoint, segmentBytes }: Pick<ControlData, 'timeline' | 'checkpoint' | 'segmentBytes'>,
): Promise<Decoded> {
  const spans = spansSince(fork, own, timeline, segmentBytes)
  const missing = spans.flatMap(({ timeline: one, from, to }) =>
    missingIn(names, one, from, to, checkpoint, segmentBytes),
  )
  const gone = spans.some((span) =>
    missing.includes(segmentName(span.timeline, parseLsn(span.from) ?? 0n, segmentBytes)),
  )
  const unread = async (maybeNothing: boolean): Promise<Decoded> =>
    maybeNothing && spans.length === 1 && (await endsAtFork(shell, fork, { timeline, checkpoint, segmentBytes }))
      ? { divergence: divergenceIn(''), complete: true, missing: [], endsAtFork: true }
      : { divergence: null, complete: false, missing, endsAtFork: false }
  // WAL that ended with a segment has not begun the next one.
  if (gone) return unread(noneAfter(fork, timeline, names, segmentBytes))
  const lines: string[] = []
  let cut = false
  for (const { timeline: one, from, to } of spans) {
    const printed = await waldump(shell, [String(one), from, ...(to === null ? [] : [to])])
    if (printed === null) return unread(missing.length === 0)
    cut ||= printed.length >= MOST_RECORDS
    for (const line of printed) lines.push(line)
  }
  return {
    divergence: divergenceIn(lines.join('\n')),
    complete: missing.length === 0 && !cut,
    missing,
    endsAtFork: false,
  }
}

/**
 * Holes in one timeline's segments, from the first needed one to its last. The first one is always needed; so is the
 * last checkpoint's, of the timeline that ends the history: it is there in every WAL that is whole.
 */
export function missingIn(
  names: readonly string[],
  timeline: number,
  from: string,
  to: string | null,
  checkpoint: string,
  segments: SegmentBytes,
): string[] {
  const own = wholeSegments(names, segments).filter((one) => one.timeline === timeline)
  const startOf = (at: bigint): bigint => startOfSegment(at, segments)
  const present = new Set(own.map(({ start }) => start))
  const position = parseLsn(from) ?? 0n
  const first = startOf(position)
  const newest =
    [first, startOf(parseLsn(checkpoint) ?? 0n), ...present].sort((a, b) => (a < b ? -1 : 1)).at(-1) ?? first
  const end = parseLsn(to)
  // The last byte before its end: a timeline that ends with a segment needs no further one.
  const last = end === null ? newest : startOf(end - 1n)
  const missing: string[] = []
  for (let start = first; start <= last; start += BigInt(segments))
    if (!present.has(start)) missing.push(segmentName(timeline, start, segments))
  return missing
}

/** Whether no segment of a timeline reaches beyond the fork. */
const noneAfter = (fork: Fork, timeline: number, names: readonly string[], segments: SegmentBytes): boolean =>
  wholeSegments(names, segments).every(
    (segment) => segment.timeline !== timeline || segment.end <= (parseLsn(fork.at) ?? 0n),
  )

/**
 * Whether nothing follows the fork, where `pg_waldump` found no record. A primary that was killed after the other side
 * had received its every write has WAL that can be read up to the fork, and ends there: PostgreSQL itself would end its
 * recovery at that position. False where that is unknown: the last checkpoint comes after the fork, or the WAL before
 * it cannot be read either.
 */
async function endsAtFork(
  shell: ServerShell,
  fork: Fork,
  { timeline, checkpoint, segmentBytes }: Pick<ControlData, 'timeline' | 'checkpoint' | 'segmentBytes'>,
): Promise<boolean> {
  const at = withoutHeader(parseLsn(fork.at) ?? 0n, segmentBytes)
  const last = parseLsn(checkpoint)
  if (at === 0n || last === null || last >= at) return false
  const own = startOfSegment(at - 1n, segmentBytes)
  // The first record of a segment may begin in the segment before.
  for (const from of [own, own - BigInt(segmentBytes)].filter((start) => start >= 0n)) {
    const answer = await shell(WHOLE, [String(timeline), formatLsn(from), formatLsn(at)], minutes(2))
    if (answer.code === 0) return true
  }
  return false
}

/** Bytes of a page of WAL, and of the header of a segment's first page and of every other one (xlog_internal.h). */
const PAGE = 8_192n
const HEADER = { first: 40n, other: 24n } as const

/**
 * The end of a page's header counts as the beginning of the page: no record lies between, and `pg_waldump -e` reads
 * none.
 */
function withoutHeader(position: bigint, segments: SegmentBytes): bigint {
  const page = position - (position % PAGE)
  const header = page === startOfSegment(position, segments) ? HEADER.first : HEADER.other
  return position === page + header ? page : position
}

/**
 * Prints the records of a timeline (`$0`) from a position (`$1`) up to another one (`$2`) or to the end, with its times
 * in UTC.
 */
export const WALDUMP = `command -v pg_waldump >/dev/null || exit 127
TZ=UTC pg_waldump -p "$PGDATA/pg_wal" -t "$0" -s "$1" \${2:+-e "$2"} | grep -E '^rmgr: (Heap2?|Transaction) ' | head -n ${MOST_RECORDS}`

/**
 * Ends with 0 if every record of a timeline from a position up to another one can be read, and there is one
 * (pg_waldump.c: any other end is an error).
 */
export const WHOLE = `pg_waldump -p "$PGDATA/pg_wal" -t "$0" -s "$1" -e "$2" >/dev/null`

/** Null where the machine has no pg_waldump, or it finds no record at all. */
async function waldump(shell: ServerShell, span: readonly string[]): Promise<string[] | null> {
  const answer = await shell(WALDUMP, span, minutes(5))
  if (answer.code === 127 || neverBegan(answer.stderr)) return null
  return answer.stdout.split('\n').filter((line) => line !== '')
}

/** It complains at every end; these words mean that it read nothing, or no farther than a file that is cut off. */
export const neverBegan = (stderr: string): boolean =>
  /could not find a valid record|could not (locate|open|read)|invalid WAL segment size/i.test(stderr)
