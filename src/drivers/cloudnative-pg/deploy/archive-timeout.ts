import { hours, type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import type { ClusterObject } from '../objects.ts'

/** CloudNativePG's default. */
const DEFAULT = '5min'
/** Units of PostgreSQL's settings; a number without one is seconds, for this setting. */
const UNITS: Readonly<Record<string, Milliseconds>> = {
  ms: 1,
  s: seconds(1),
  min: minutes(1),
  h: hours(1),
  d: hours(24),
  '': seconds(1),
}

/**
 * How long a segment of a primary that is written to may wait until it is shipped (`archive_timeout`); null where it
 * waits until it is full, or the setting cannot be read. An idle primary ships nothing.
 */
export function archiveTimeoutOf({ spec }: ClusterObject): Milliseconds | null {
  const [, number, unit] =
    /^\s*(\d+)\s*(ms|s|min|h|d|)\s*$/.exec(String(spec.postgresql?.parameters?.archive_timeout ?? DEFAULT)) ?? []
  const timeout = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
  return timeout > 0 ? timeout : null
}
