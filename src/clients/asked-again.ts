import { type Milliseconds, seconds } from '../values/duration.ts'
import { patienceOver, type Trips, type Way } from './patience.ts'

/** One of the two times that a question is put. */
export interface Asking {
  /** Aborted when the other one has answered, or with the outer signal. */
  readonly signal: AbortSignal
  /** The second one takes another connection than the first. */
  readonly second: boolean
  /** To be called when something arrives: a connection, a part of the answer. The first call starts the patience. */
  heard(): void
}

/** Over a short way, which a busy server may need for itself. */
const QUIET: Milliseconds = seconds(5)
/**
 * TCP sends a lost packet again after three round trips, and once more after six others (RFC 6298). Over 1.5 s this is
 * 8 s: one loss is waited for, and two in a row are overtaken by a new connection and its answer.
 */
const AGAIN: Trips = { trips: 2.5, most: seconds(12) }

/**
 * Sends a request that changes nothing, and sends it a second time over another connection when nothing arrives for
 * long; the first answer counts, and the other request is aborted. Only a server that lives is asked again: without any
 * connection, the code that connects judges the silence. A request that fails is not repeated here. When both fail,
 * throws the error of the first one.
 */
export async function askedAgain<Answer>(
  way: Way,
  signal: AbortSignal,
  ask: (asking: Asking) => Promise<Answer>,
): Promise<Answer> {
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const second = Promise.withResolvers<Answer>()
  let [asked, heardAt, timer]: [number, Milliseconds, NodeJS.Timeout | null] = [1, 0, null]
  const look = (): void => {
    const left = patienceOver(way, QUIET, AGAIN.trips, AGAIN.most) - (performance.now() - heardAt)
    if (left > 1 || way.roundTrip === null) timer = setTimeout(look, Math.max(left, LOOK))
    else {
      asked = 2
      ask({ signal: either, second: true, heard: () => undefined }).then(second.resolve, second.reject)
    }
  }
  const heard = (): void => {
    heardAt = performance.now()
    if (timer === null && !either.aborted) timer = setTimeout(look, QUIET)
  }
  const first = ask({ signal: either, second: false, heard }).catch((error: unknown) => {
    if (asked === 1) throw error
    return second.promise.catch(() => {
      throw error
    })
  })
  try {
    return await Promise.race([first, second.promise.catch(() => first)])
  } finally {
    if (timer !== null) clearTimeout(timer)
    over.abort()
  }
}
/** The interval for checking whether a connection was established. */
const LOOK: Milliseconds = seconds(1)
