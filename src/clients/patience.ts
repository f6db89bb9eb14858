import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'

/** What is known of the way to what is asked. */
export interface Way {
  /** What a TCP connection took; null where none stood. */
  readonly roundTrip: Milliseconds | null
}

/** What the connections to a server have met so far; each connection writes it. */
export interface Contact {
  /** What the last TCP connection took; null before the first one. */
  roundTrip: Milliseconds | null
  /** When something was heard that proved who it is: a TLS handshake, or an answer. By `performance.now()`. */
  heardAt: number | null
}

/**
 * A server without any sign of life for this long is silent. A lost SYN is sent again after 1 s, so one lost SYN is not
 * silence.
 */
export const SILENCE: Milliseconds = seconds(3)

/**
 * How long to wait for an answer. Without a connection: `least`. Over a slow way: some round trips more, because a
 * request needs four of them (TCP, TLS, request and answer) and may lose packets; at most `most`. Pure.
 */
export function patienceOver({ roundTrip }: Way, least: Milliseconds, trips: number, most: Milliseconds): Milliseconds {
  const slow = Math.max(0, (roundTrip ?? 0) - UNNOTICED)
  // Whole milliseconds: AbortSignal.timeout takes no others.
  return Math.max(least, Math.min(most, Math.round(least + trips * slow)))
}
/** Between continents, and on a busy machine: the least patience is meant for this. */
const UNNOTICED: Milliseconds = 250

/** The number of round trips that are waited for, and the longest wait. */
export interface Trips {
  readonly trips: number
  readonly most: Milliseconds
}

/** Of a site's own answer: connection and identity. */
export const SITE: Trips = { trips: 8, most: seconds(15) }
/** Of any one call: connection, question, answer, and a packet that is lost. */
export const CALL: Trips = { trips: 8, most: seconds(20) }
/** Of what is asked after it: a driver asks several times, one after the other, or logs in by ssh and asks then. */
export const COMPONENT: Trips = { trips: 32, most: seconds(45) }
/**
 * Of a login by ssh and a first command: twelve round trips where nothing is lost (measured: 18 s over 1.5 s), the time
 * of a first try that gave up before the way was known, and some packets that are lost.
 */
export const LOGIN: Trips = { trips: 30, most: seconds(45) }

/** The deadline of one call, which was meant for a short way, over this one. A long deadline stays what it is. */
export const overWay = (way: Way | undefined, deadline: Milliseconds, { trips, most }: Trips = CALL): Milliseconds =>
  patienceOver(way ?? { roundTrip: null }, deadline, trips, most)

export interface Waiting {
  /** Aborted when the patience is over, or with the outer signal. */
  readonly signal: AbortSignal
  /** For a person: `no answer within 3.0 s`. */
  why(): string
}

/**
 * Waits for as long as `patience` says at that time: what is learned of the way meanwhile counts. From `begun` on, by
 * `performance.now()`.
 */
export function waiting(patience: () => Milliseconds, outer: AbortSignal, begun = performance.now()): Waiting {
  const ending = new AbortController()
  let waited = patience()
  const look = (): void => {
    const left = patience() - (performance.now() - begun)
    if (left <= 1) {
      waited = performance.now() - begun
      ending.abort(new DOMException('the patience is over', 'TimeoutError'))
    } else timer = later(left)
  }
  const later = (left: Milliseconds): NodeJS.Timeout => setTimeout(look, left).unref()
  let timer = later(Math.max(1, waited - (performance.now() - begun)))
  outer.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return {
    signal: AbortSignal.any([outer, ending.signal]),
    why: () => `no answer within ${readableDuration(Math.round(waited))}`,
  }
}
