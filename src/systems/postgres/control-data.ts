import { asSegmentBytes, type SegmentBytes } from './wal.ts'

/** What `pg_controldata` prints of a server, running or stopped. */
export interface ControlData {
  /** `Database cluster state`, such as `shut down`. */
  readonly state: string
  readonly timeline: number
  /** Position of the last checkpoint (LSN): after a clean shutdown it comes after the last transaction. */
  readonly checkpoint: string
  readonly segmentBytes: SegmentBytes
}

/**
 * Where the WAL of a stopped primary ends (LSN); null where its control file does not know. Only a primary that was
 * shut down in good order wrote its last checkpoint at its end. After a crash the last checkpoint is minutes older than
 * the newest commit, and on a server in recovery it is a restartpoint. Pure.
 */
export const endOf = ({ state, checkpoint }: ControlData): string | null => (state === 'shut down' ? checkpoint : null)

/** Reads the output of `pg_controldata` with LC_MESSAGES=C; null where a line is missing. Pure. */
export function parseControlData(text: string): ControlData | null {
  const of = (name: string): string | undefined => new RegExp(`^${name}:\\s*(.+?)\\s*$`, 'm').exec(text)?.[1]
  const [state, checkpoint, timeline] = [
    of('Database cluster state'),
    of('Latest checkpoint location'),
    of("Latest checkpoint's TimeLineID"),
  ]
  const segmentBytes = asSegmentBytes(Number(of('Bytes per WAL segment')))
  return state === undefined || checkpoint === undefined || timeline === undefined || segmentBytes === null
    ? null
    : { state, timeline: Number(timeline), checkpoint, segmentBytes }
}
