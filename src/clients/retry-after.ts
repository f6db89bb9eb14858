import { type Milliseconds, seconds } from '../values/duration.ts'

/**
 * Milliseconds that a Retry-After header asks to wait for; null when it asks for none, or for nothing that can be read.
 * Both of its forms are known: whole seconds, and a date, which counts from `date`, the answer's own, where there is
 * one: clocks differ (RFC 9110, section 10.2.3).
 */
export function retryAfterIn(
  header: string | null | undefined,
  date: string | null | undefined,
  now: Date,
): Milliseconds | null {
  const text = (header ?? '').trim()
  if (/^\d+$/.test(text)) return seconds(Number(text))
  // Names a day of the week first, in each form; V8 takes much else for a date.
  const until = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(until)) return null
  const from = Date.parse(date ?? '')
  return Math.max(0, until - (Number.isNaN(from) ? now.getTime() : from))
}
