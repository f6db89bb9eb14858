import { type Milliseconds, seconds } from '../duration.ts'

/**
 * Milliseconds that a Retry-After header asks to wait for; null when it asks for none, or for nothing that can be read. Both of its forms are
 * known: whole seconds, and a date, which counts from `date`, the answer's own, where there is one: clocks differ (RFC 9110, section 10.2.3).
 */
export function retryAfterIn(header: string | null | undefined, date: string | null | undefined, now: Date): Milliseconds | null {
  const text = (header ?? '').trim()
  if (/^\d+$/.test(text)) return seconds(Number(text))
  const until = Date.parse(text)
  if (Number.isNaN(until)) return null
  const from = Date.parse(date ?? '')
  return Math.max(0, until - (Number.isNaN(from) ? now.getTime() : from))
}
