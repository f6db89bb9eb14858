import { setTimeout as pause } from 'node:timers/promises'
import { type Retry, StandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import { askedAgain } from './asked-again.ts'
import { reasonOf, wasLost } from './fetch-failure.ts'
import type { StoreCallOptions } from './object-store-client.ts'
import { bytesOf, UnreadableBody } from './object-store-wire.ts'
import { overWay } from './patience.ts'
import { retryAfterIn } from './retry-after.ts'
import type { MeasuredWay } from './round-trip.ts'
import { isOfServer, type ServerTime } from './server-time.ts'
import type { StoreAnswer } from './store-answer.ts'
import { type Asked, fetchTrusting } from './trusting-fetch.ts'
import { withinWay } from './within-way.ts'

/** How the requests of one store are sent. */
export interface StoreLine {
  /** PEM: the authorities that alone vouch for the endpoint; those of Node when absent. */
  readonly authorities?: string | undefined
  /** Hears what time each answer says. */
  readonly time?: Pick<ServerTime, 'hear'> | undefined
}

/** Every byte counts where hashes are taken: a byte order mark is content. */
const exactText = new TextDecoder('utf-8', { ignoreBOM: true })

/** One request, over a connection that is kept, and its whole answer. Redirects are answers. */
export async function exchanged(
  url: URL,
  asked: Asked & { readonly body?: Uint8Array<ArrayBuffer> },
  { authorities, time }: StoreLine,
  largest?: number,
  heard?: () => void,
): Promise<StoreAnswer> {
  const askedAt = performance.now()
  heard?.()
  const response = await (authorities !== undefined && url.protocol === 'https:'
    ? fetchTrusting(authorities, url, asked)
    : fetch(url, { ...asked, redirect: 'manual' }))
  heard?.()
  const { status, headers } = response
  if (isOfServer(response)) time?.hear(headers.get('date'), askedAt, performance.now())
  const retryAfter = retryAfterIn(headers.get('retry-after'), headers.get('date'), new Date())
  return { status, headers, text: exactText.decode(await bytesOf(response, largest, heard)), retryAfter }
}

/** What a kind of store means by its answers, and its errors about one request. */
export interface StoreDialect {
  /** What another try of a read may bring. */
  retry(answer: StoreAnswer): Retry
  /** The answer says that nothing was done, and that another try may bring more: even a write is sent again. */
  didNothingYet(answer: StoreAnswer): boolean
  isLimited(answer: StoreAnswer): boolean
  unreachable(why: string, cause?: unknown): StandbyError
  unreadable(cause: Error): StandbyError
}

export interface StoreQuestion {
  readonly isRead: boolean
  once(signal: AbortSignal, heard?: () => void): Promise<StoreAnswer>
}

const MAX_TRIES = 4
const LONGEST_PAUSE: Milliseconds = seconds(2)
/** Of a limit that names no time: Cloudflare R2 takes one write a second to a key, and sends no Retry-After. */
const AFTER_LIMIT: Milliseconds = seconds(1)

/**
 * The answer to a question, within the deadline over this way. Reads are retried after any error, and sent a second
 * time when nothing arrives (`fetch` opens another connection beside a busy one); writes are retried only when the
 * store says that it did nothing. The caller decides about a long wait.
 */
export function answered(
  { isRead, once }: StoreQuestion,
  dialect: StoreDialect,
  way: MeasuredWay,
  {
    deadline,
    begun,
    signals,
    limited,
  }: {
    readonly limited: StoreCallOptions['limited'] | undefined
    readonly deadline: Milliseconds
    /** By `performance.now()`: the deadline counts from then on. */
    readonly begun: number
    readonly signals: readonly (AbortSignal | undefined)[]
  },
): Promise<StoreAnswer> {
  const ends = (): number => begun + overWay(way, deadline)
  const repeated = async (signal: AbortSignal): Promise<StoreAnswer> => {
    for (let tries = 1; ; tries++) {
      let wait = 100 * 2 ** tries * (0.5 + Math.random() / 2)
      try {
        const answer = await (isRead
          ? askedAgain(way, signal, (asking) => once(asking.signal, asking.heard))
          : once(signal))
        const isLimited = dialect.isLimited(answer)
        const mayPass = isRead ? dialect.retry(answer) === 'transient' : dialect.didNothingYet(answer)
        if (isLimited) limited?.()
        wait = Math.max(wait, answer.retryAfter ?? (isLimited ? AFTER_LIMIT * (1 + Math.random() / 10) : 0))
        // The last error of the store says more than a timeout.
        const late = performance.now() + wait > ends()
        if (!mayPass || tries === MAX_TRIES || wait > LONGEST_PAUSE || late) return answer
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof UnreadableBody) throw dialect.unreadable(error)
        // Nothing was asked: there are no keys to sign with.
        if (error instanceof StandbyError) throw error
        if (!isRead || tries === MAX_TRIES || !wasLost(error)) throw dialect.unreachable(reasonOf(error), error)
      }
      await pause(wait, undefined, { signal })
    }
  }
  return withinWay(way, { deadline, spent: performance.now() - begun }, signals, repeated, (waited) =>
    dialect.unreachable(`no answer within ${readableDuration(waited)}`),
  )
}
