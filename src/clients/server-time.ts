import type { Milliseconds } from '../values/duration.ts'

/**
 * The time of a server's own clock, from the `Date` of its answers and this machine's monotonic clock since then. The
 * wall clock of this machine, which anyone may set, is not used.
 */
export interface ServerTime {
  /**
   * An answer, with the instants at which it was asked for and heard (`performance.now()`). One without a date, or with
   * none that can be read, says nothing.
   */
  hear(date: string | null, askedAt: Milliseconds, heardAt: Milliseconds): void
  /** Within a second of the server's clock; null before the first answer that says it. */
  now(): Date | null
}

/** A date has whole seconds: the server wrote it within this of what it says. */
const RESOLUTION: Milliseconds = 1_000

/**
 * Whether the server itself speaks, as far as status and headers say: what stands between may answer in its place, or
 * from a copy of last week.
 */
export const isOfServer = ({ status, headers }: Pick<Response, 'status' | 'headers'>): boolean =>
  (status < 300 || (status >= 400 && status < 500 && status !== 407)) &&
  !/^(text\/html|application\/xhtml)/i.test(headers.get('content-type') ?? '') &&
  !(Number(headers.get('age')) > 0)

export function serverTime(monotonic: () => Milliseconds = () => performance.now()): ServerTime {
  /** Between which bounds the server's clock is ahead of the monotonic one: each answer narrows them. */
  let ahead: { readonly least: Milliseconds; readonly most: Milliseconds } | null = null
  return {
    hear(date, askedAt, heardAt) {
      const said = date === null ? Number.NaN : Date.parse(date)
      if (Number.isNaN(said)) return
      const now = { least: said - heardAt, most: said + RESOLUTION - askedAt }
      const both =
        ahead === null ? now : { least: Math.max(ahead.least, now.least), most: Math.min(ahead.most, now.most) }
      // Where they exclude each other, one of the clocks was set, or this machine slept: the newer answer counts.
      ahead = both.least <= both.most ? both : now
    },
    now: () => (ahead === null ? null : new Date(monotonic() + (ahead.least + ahead.most) / 2)),
  }
}
