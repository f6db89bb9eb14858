import { minutes } from '../../../duration.ts'
import { kubernetesOf } from '../../site-of-step.ts'
import type { ControlData } from '../failover/fence.ts'
import { type Fork, spansSince } from '../failover/timeline-history.ts'
import { podOf } from '../objects.ts'
import { parseLsn, parseSegment, SEGMENT_BYTES, segmentName } from '../wal.ts'
import { namespaceOf, type Run } from '../where.ts'
import { type Divergence, divergenceIn } from './divergent-wal.ts'

/** Lines of pg_waldump that are read. */
const MOST_RECORDS = 200_000

export interface Decoded {
  /** Null: the WAL could not be decoded here, so nobody knows what is in it. */
  readonly divergence: Divergence | null
  /** Whether all of it was read; what is counted is a lower end otherwise. */
  readonly complete: boolean
  /** Segments that had to be there and are not. */
  readonly missing: readonly string[]
}

/**
 * What `pg_waldump` says of the WAL behind a fork, timeline after timeline. It prints nothing where its first segment is missing, and the end of
 * the WAL is an error to it, always: whether there is something to read is judged by the names of the segments before, and by its words after.
 */
export async function decodeDivergence(
  run: Run,
  pod: string,
  names: readonly string[],
  fork: Fork,
  own: readonly Fork[],
  { timeline, checkpoint }: Pick<ControlData, 'timeline' | 'checkpoint'>,
): Promise<Decoded> {
  const spans = spansSince(fork, own, timeline)
  const missing = spans.flatMap(({ timeline: one, from, to }) => missingIn(names, one, from, to, checkpoint))
  const gone = spans.some((span) => missing.includes(segmentName(span.timeline, parseLsn(span.from) ?? 0n)))
  if (gone) return { divergence: null, complete: false, missing }
  const lines: string[] = []
  let cut = false
  for (const { timeline: one, from, to } of spans) {
    const printed = await waldump(run, pod, [String(one), from, ...(to === null ? [] : [to])])
    if (printed === null) return { divergence: null, complete: false, missing }
    cut ||= printed.length >= MOST_RECORDS
    for (const line of printed) lines.push(line)
  }
  return { divergence: divergenceIn(lines.join('\n')), complete: missing.length === 0 && !cut, missing }
}

/**
 * Holes in one timeline's segments, from the first needed one to its last. The first one is always needed; so is the last checkpoint's, of the
 * timeline that ends the history: it is there in every WAL that is whole.
 */
export function missingIn(names: readonly string[], timeline: number, from: string, to: string | null, checkpoint: string): string[] {
  const own = names.flatMap((name) => (name.length === 24 ? (parseSegment(name) ?? []) : [])).filter((one) => one.timeline === timeline)
  const present = new Set(own.map(({ start }) => start))
  const position = parseLsn(from) ?? 0n
  const first = startOfSegment(position)
  const newest = [first, startOfSegment(parseLsn(checkpoint) ?? 0n), ...present].sort((a, b) => (a < b ? -1 : 1)).at(-1) ?? first
  const end = parseLsn(to)
  // The last byte before its end: a timeline that ends with a segment needs no further one.
  const last = end === null ? newest : startOfSegment(end - 1n)
  const missing: string[] = []
  for (let start = first; start <= last; start += SEGMENT_BYTES) if (!present.has(start)) missing.push(segmentName(timeline, start))
  return missing
}

const startOfSegment = (position: bigint): bigint => position - (position % SEGMENT_BYTES)

/** Of a timeline, from a position, up to another one or to the end; in UTC, for it prints times as its surroundings have them. */
export const WALDUMP = `command -v pg_waldump >/dev/null || exit 127
TZ=UTC pg_waldump -p "$PGDATA/pg_wal" -t "$0" -s "$1" \${2:+-e "$2"} | grep -E '^rmgr: (Heap2?|Transaction) ' | head -n ${MOST_RECORDS}`

/** Null where the image has no pg_waldump, or it finds no record at all. */
async function waldump(run: Run, pod: string, span: readonly string[]): Promise<string[] | null> {
  const answer = await kubernetesOf(run).exec(podOf(namespaceOf(run), pod), ['sh', '-c', WALDUMP, ...span], {
    signal: run.signal,
    deadline: minutes(5),
  })
  if (answer.code === 127 || neverBegan(answer.stderr)) return null
  return answer.stdout.split('\n').filter((line) => line !== '')
}

/** It complains at every end; these words it has when it read nothing, or no further than a file that is cut off. */
export const neverBegan = (stderr: string): boolean =>
  /could not find a valid record|could not (locate|open|read)|invalid WAL segment size/i.test(stderr)
