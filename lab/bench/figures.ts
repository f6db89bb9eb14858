import { median, percentile } from '../../src/values/percentile.ts'

/** `p50 14.2 s, p95 16.0 s (14.2 s, 13.9 s, 16.0 s)`; from milliseconds. */
export function spread(values: readonly number[]): string {
  return `p50 ${inSeconds(median(values))}, p95 ${inSeconds(percentile(values, 0.95))} (${values.map(inSeconds).join(', ')})`
}

/** A difference may be negative. */
export const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const BROKEN = ': BROKEN'
/** A line that ends with whether what users are promised was measured. */
export const promise = (kept: boolean, line: string): string => `${line}${kept ? ': kept' : BROKEN}`
export const isBroken = (line: string): boolean => line.endsWith(BROKEN)
