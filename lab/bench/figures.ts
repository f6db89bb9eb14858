/** The value that this share of all values does not exceed (nearest rank): 0.5 is the median. NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** `p50 14.2 s, p95 16.0 s (14.2, 13.9, 16.0)`; from milliseconds. */
export function spread(values: readonly number[]): string {
  const seconds = (value: number): string => (value / 1000).toFixed(1)
  return `p50 ${seconds(percentile(values, 0.5))} s, p95 ${seconds(percentile(values, 0.95))} s (${values.map(seconds).join(', ')})`
}
