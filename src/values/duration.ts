/** Durations are milliseconds with a name; in files and inputs they read `90s`, `5m`, `2h`, `1d`. */
export type Milliseconds = number

export const seconds = (n: number): Milliseconds => n * 1_000
export const minutes = (n: number): Milliseconds => n * 60_000
export const hours = (n: number): Milliseconds => n * 3_600_000

export const DURATION_PATTERN = '^[1-9][0-9]*(ms|s|m|h|d)$'
const UNITS: Readonly<Record<string, Milliseconds>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `90s`; null when the text is no duration. */
export function parseDuration(text: string): Milliseconds | null {
  const match = /^([1-9][0-9]*)(ms|s|m|h|d)$/.exec(text)
  const unit = UNITS[match?.[2] ?? '']
  return match === null || unit === undefined ? null : Number(match[1]) * unit
}

/** As {@link parseDuration} reads it again, in the largest unit that is exact: `5m`. */
export function durationInput(ms: Milliseconds): string {
  const [name, unit] = Object.entries(UNITS).findLast(([, one]) => ms % one === 0) ?? ['ms', 1]
  return `${ms / unit}${name}`
}

/** `8.4 s`, `3 min 20 s`, `2 h 5 min`: for people. */
export function readableDuration(ms: Milliseconds): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const total = Math.round(ms / 1_000)
  if (total < 3_600) return total % 60 === 0 ? `${total / 60} min` : `${Math.floor(total / 60)} min ${total % 60} s`
  if (total < 172_800) return `${Math.floor(total / 3_600)} h ${Math.floor((total % 3_600) / 60)} min`
  return `${(total / 86_400).toFixed(1)} d`
}
