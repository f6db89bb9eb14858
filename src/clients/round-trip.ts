import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Milliseconds } from '../values/duration.ts'

/**
 * How long a TCP connection to an address takes; null when none stands within the time. For clients that do not say
 * themselves how slow the way is. A packet that is lost is sent again after a second only, which tells nothing of the
 * way: further connections are tried beside the first.
 */
export async function roundTripTo(address: string, within: Milliseconds): Promise<Milliseconds | null> {
  const place = placeOf(address)
  if (place === null) return null
  const first = new AbortController()
  const tries = STARTS.filter((start) => start < within).map(async (start) => {
    if (start > 0) await pause(start, undefined, { signal: first.signal, ref: false })
    return connectionTo(place, within - start, first.signal)
  })
  try {
    return await Promise.any(tries)
  } catch {
    return null
  } finally {
    first.abort()
  }
}
const STARTS: readonly Milliseconds[] = [0, 300, 600]

/** What it took; rejects where none stands. */
function connectionTo(place: Place, within: Milliseconds, signal: AbortSignal): Promise<Milliseconds> {
  return new Promise((resolve, reject) => {
    let begun = performance.now()
    const socket = connect({ ...place, signal })
    const end = (took: Milliseconds | null): void => {
      clearTimeout(timer)
      socket.destroy()
      if (took === null) reject(new Error('no connection'))
      else resolve(took)
    }
    const timer = setTimeout(() => end(null), within)
    socket.once('lookup', () => {
      begun = performance.now()
    })
    socket.once('connect', () => end(performance.now() - begun))
    socket.on('error', () => end(null))
  })
}

/** A way that is measured when an answer is late, and again the next time: it may have become longer. */
export interface MeasuredWay {
  readonly roundTrip: Milliseconds | null
  /** To be called where something is asked; measures unless `end` comes first. */
  asking(): { end(): void }
  /** When what is being measured is known; at once where nothing is. */
  settled(): Promise<void>
}

/** Answers over a short way come before, also of a machine that is busy. */
const LATE: Milliseconds = 250
const ways = new Map<string, MeasuredWay>()

/**
 * The way to the host and port of an address: one for all clients of this process, so that what one of them has learned
 * helps the next.
 */
export function measuredWay(address: string, within: Milliseconds): MeasuredWay {
  const place = placeOf(address)
  const key = `${place?.host} ${place?.port}`
  const way = ways.get(key) ?? measuring(address, within)
  ways.set(key, way)
  return way
}

function measuring(address: string, within: Milliseconds): MeasuredWay {
  const way: { roundTrip: Milliseconds | null } = { roundTrip: null }
  let underWay: Promise<void> | null = null
  const measure = (): void => {
    underWay ??= roundTripTo(address, within).then((took) => {
      way.roundTrip = took ?? way.roundTrip
      underWay = null
    })
  }
  return {
    get roundTrip() {
      return way.roundTrip
    },
    asking() {
      const timer = setTimeout(measure, LATE).unref()
      return { end: () => clearTimeout(timer) }
    },
    settled: async () => underWay ?? undefined,
  }
}

/** How the place of an sshd is written. */
export const sshAddress = (host: string, port: number = USUAL['ssh:']): string =>
  `ssh://${host.includes(':') ? `[${host}]` : host}:${port}`

interface Place {
  readonly host: string
  readonly port: number
}

function placeOf(address: string): Place | null {
  if (!URL.canParse(address)) return null
  const { hostname, port, protocol } = new URL(address)
  const usual = Object.entries(USUAL).find(([name]) => name === protocol)?.[1]
  return port === '' && usual === undefined
    ? null
    : { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usual) }
}
const USUAL = { 'https:': 443, 'http:': 80, 'ssh:': 22 } as const
