import { readableDuration } from '../duration.ts'
import type { Gap } from '../observation/observation.ts'

const SIGNS: Readonly<Record<string, string>> = {
  healthy: '✓',
  pass: '✓',
  done: '✓',
  'was-done': '✓',
  applied: '✓',
  unchanged: '✓',
  degraded: '!',
  'objective-missed': '!',
  'would-change': '!',
  inconclusive: '?',
  unknown: '?',
  down: '✗',
  absent: '✗',
  silent: '✗',
  fail: '✗',
  failed: '✗',
  'given-up': '!',
  'not-reached': '·',
  undone: '↶',
}

/** One character for a state, readable without colour. */
export const signOf = (state: string): string => SIGNS[state] ?? '?'

/** `2 segments, 31.5 MB, 12.0 s`. */
export function gapText(gap: Gap): string {
  const parts = [
    gap.segments === null ? null : `${gap.segments} segments`,
    gap.bytes === null ? null : bytesText(gap.bytes),
    gap.seconds === null ? null : `at most ${readableDuration(gap.seconds * 1000)}`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'unknown' : parts.join(', ')
}

export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`
  return bytes < 1_000_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${(bytes / 1_000_000_000).toFixed(2)} GB`
}

/** `nothing`, `0 B to 4.1 kB`, `at least 0 ms`; an upper end that nobody knows is said so. */
export function intervalText([low, high]: readonly [number, number | null], unit: 'bytes' | 'seconds'): string {
  const text = (value: number): string => (unit === 'bytes' ? bytesText(value) : readableDuration(value * 1_000))
  if (high === null) return `${text(low)} or more, nobody knows how much`
  if (high === 0) return 'nothing'
  return low === high ? text(low) : `${text(low)} to ${text(high)}`
}
