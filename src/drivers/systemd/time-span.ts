import type { Milliseconds } from '../../values/duration.ts'

/** As systemd prints time spans (systemd.time(7)): `1min 30s`. Years and months are those of `format_timespan`. */
const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
}

/** `1min 30s` → 90000; null for `infinity`, and for what is no time span. Pure. */
export function timeSpanIn(text: string): Milliseconds | null {
  const parts = text.trim().split(/\s+/)
  let sum = 0
  for (const part of parts) {
    const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)([a-z]+)$/.exec(part) ?? []
    const factor = UNITS[unit]
    if (number === '' || factor === undefined) return part === '0' && parts.length === 1 ? 0 : null
    sum += Number(number) * factor
  }
  return Math.round(sum)
}
