import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { type Asking, askedAgain } from '../../../clients/asked-again.ts'
import type { Contact } from '../../../clients/patience.ts'
import { SILENCE } from '../../../clients/patience.ts'
import { retryAfterIn } from '../../../clients/retry-after.ts'
import { wasCut, wireFailure } from '../../../clients/wire-failure.ts'
import { retryOfStatus } from '../../../clients/worth-another-try.ts'
import { type StandbyError, siteError } from '../../../errors/standby-error.ts'
import type { Unseen } from '../../../errors/unseen.ts'
import { proxyEnvironment } from '../../../runtime/proxies.ts'
import { type Milliseconds, readableDuration, seconds } from '../../../values/duration.ts'

/*
 * HTTP to the API server is hand-written; @kubernetes/client-node reads kubeconfigs and authenticates (`link.ts`). Its
 * generated API would be 1.9 MB of the bundle, its watch has lost connections without notice (issues #2127, #2367), and
 * its errors do not say why a server was silent. The vote on a site's life needs that cause (`errors/unseen.ts`), and
 * each call needs a deadline that grows with the way (`patience.ts`), a second attempt over another connection
 * (`asked-again.ts`) and a largest answer.
 */

/**
 * How an API server is reached and who asks; asked again for every request, because tokens and certificates are
 * renewed.
 */
export interface Link {
  readonly server: URL
  credentials(): Promise<Credentials>
  readonly agent: HttpAgent
  /** Of what is asked a second time, beside a connection on which nothing comes. */
  readonly spare: HttpAgent
  readonly contact: Contact
  /** The error for a question without an answer, or one that could not be asked. */
  unreachable(why: string, unseen: Unseen, cause?: unknown): StandbyError
}
export interface Credentials {
  readonly tls: SecureContextOptions & { readonly rejectUnauthorized?: boolean; readonly servername?: string }
  readonly headers: Readonly<Record<string, string>>
  /** In place of the link's own connections, where the kubeconfig names a proxy. */
  readonly proxy?: HttpAgent
  /** Hears that the server did not know them; true when others may be had now. */
  refused?(): boolean
}

export interface HttpRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly body?: string
  readonly contentType?: string
  /** Not tried again: the answer is not the API server's. */
  readonly once?: boolean
}
export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** What a Retry-After header asks for; null without one. */
  readonly retryAfter: Milliseconds | null
}

/**
 * How long to wait for the next sign of life where a TCP connection took so long: a lost packet is sent again after
 * three round trips (RFC 6298, where only one was measured), and needs one more to be answered.
 */
export const patienceWith = (roundTrip: Milliseconds | null): Milliseconds =>
  Math.min(seconds(15), Math.max(SILENCE, 6 * (roundTrip ?? 0)))
/** API servers and load balancers drop idle connections after 60 s or more; ours are gone before. */
const IDLE: Milliseconds = seconds(30)

/** An agent of our own does not know what was set for all others. */
const proxied = (): { readonly proxyEnv?: Record<string, string> } => {
  const proxyEnv = proxyEnvironment(process.env)
  return proxyEnv === null ? {} : { proxyEnv }
}

/** Kept-alive connections of one client: a TLS handshake costs more than the request that follows. */
export const keptAliveAgent = (server: URL, maxSockets: number): HttpAgent =>
  new (server.protocol === 'https:' ? HttpsAgent : HttpAgent)({
    keepAlive: true,
    maxSockets,
    timeout: IDLE,
    scheduling: 'lifo',
    ...proxied(),
  })

/**
 * One request and its whole answer. A GET is tried again a few times on 429, 5xx and lost connections, unless it is
 * asked to wait for long; one that stays without an answer is asked once more over a connection of its own.
 */
export async function exchange(link: Link, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const repeatable = request.method === 'GET' && request.once !== true
  for (let tries = 1; ; tries++) {
    const again = repeatable && tries < MAX_TRIES
    try {
      const answer = await (request.method === 'GET'
        ? askedAgain(link.contact, signal, (asking) => answered(link, request, asking))
        : answered(link, request, { signal }))
      const wait = again ? pauseBefore(answer, tries) : null
      if (wait === null) return answer
      await pause(wait, undefined, { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(again && wasCut(error))) throw asUnreachable(link, error)
      await pause(backoff(tries), undefined, { signal })
    }
  }
}
const MAX_TRIES = 4

/** How one request is put: which connection it takes, and who hears of its progress. */
type Put = Pick<Asking, 'signal'> & Partial<Asking>

const answered = async (link: Link, request: HttpRequest, put: Put): Promise<HttpAnswer> =>
  answerOf(await sendAsking(link, request, put), put.heard)

/**
 * One request, answered as far as its headers; the body ends with an error when the signal is aborted. An answer 401
 * changed nothing: where a login can be renewed, it is asked once more.
 */
export const send = (link: Link, request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> =>
  sendAsking(link, request, { signal })

async function sendAsking(link: Link, request: HttpRequest, put: Put): Promise<IncomingMessage> {
  const credentials = await link.credentials()
  const response = await sendAs(credentials, link, request, put)
  if (response.statusCode !== 401 || credentials.refused?.() !== true) return response
  response.resume()
  return sendAs(await link.credentials(), link, request, put)
}

async function sendAs(credentials: Credentials, link: Link, request: HttpRequest, put: Put): Promise<IncomingMessage> {
  const { signal, second = false, heard = () => undefined } = put
  const agent = second ? link.spare : link.agent
  signal.throwIfAborted()
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const options: RequestOptions = {
    ...credentials.tls,
    method: request.method,
    hostname: link.server.hostname.replace(/^\[|\]$/g, ''),
    port: link.server.port === '' ? undefined : link.server.port,
    path: pathAt(link.server, request.path),
    agent: credentials.proxy ?? agent,
    signal,
    headers: {
      ...credentials.headers,
      accept: 'application/json, */*',
      'user-agent': 'standby',
      ...(body === undefined
        ? {}
        : { 'content-type': request.contentType ?? 'application/json', 'content-length': String(body.length) }),
    },
  }
  return new Promise((resolve, reject) => {
    const sent = (link.server.protocol === 'https:' ? httpsRequest : httpRequest)(options)
    sent.once('response', (response) => {
      link.contact.heardAt = performance.now()
      heard()
      resolve(response)
    })
    // `on`: a connection that breaks in the middle of an answer is reported here once more.
    sent.on('error', (error) => {
      // A connection that died in silence is seldom alone: the next request must not wait for its neighbours.
      if (signal.aborted && sent.reusedSocket) dropIdle(agent)
      reject(error)
    })
    sent.once('socket', (socket) => {
      // From here on: what waits for one of our own connections is not the server's silence.
      heard()
      limitConnecting(socket, link.contact, (error) => sent.destroy(error), heard)
    })
    sent.end(body)
  })
}

/** The request's path after that of the server: `https://rancher.example/k8s/clusters/c-1`. */
export const pathAt = (server: URL, path: string): string => `${server.pathname.replace(/\/$/, '')}${path}`

/** The whole of an answer; `heard` hears each part of it. */
export async function answerOf(response: IncomingMessage, heard?: () => void): Promise<HttpAnswer> {
  const { 'retry-after': asked, date } = response.headers
  return {
    status: response.statusCode ?? 0,
    body: await bodyOf(response, heard),
    retryAfter: retryAfterIn(asked, date, new Date()),
  }
}

/** A page of 500 objects is some 10 MB at most; an answer that never ends is given up. */
export const LARGEST_ANSWER = 64 * 1024 * 1024

async function bodyOf(response: IncomingMessage, heard: () => void = () => undefined): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    heard()
    bytes += (chunk as Buffer).length
    if (bytes > LARGEST_ANSWER) throw tooLarge(LARGEST_ANSWER)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export const tooLarge = (largest: number): StandbyError =>
  siteError(
    'answer-too-large',
    `an answer is larger than ${Math.round(largest / 1024 / 1024)} MiB, and was not read to its end`,
    {
      unseen: 'not-an-api-server',
    },
  )

/**
 * Ends an attempt to connect in which nothing comes for too long; a kept-alive connection is connected already. `heard`
 * hears each step of it.
 */
export function limitConnecting(
  socket: Socket,
  contact: Contact,
  end: (error: Error) => void,
  heard: () => void = () => undefined,
): void {
  const secure = 'secureConnecting' in socket
  if (!(socket.connecting || (secure && (socket as TLSSocket & { secureConnecting: boolean }).secureConnecting))) return
  let begun = performance.now()
  /** Asked again when it is over: another connection may have learned how long the way is. */
  const limit = (layer: 'TCP' | 'TLS', waited = 0): NodeJS.Timeout => {
    const patience = patienceWith(contact.roundTrip)
    return setTimeout(() => {
      if (patienceWith(contact.roundTrip) <= patience) end(new ConnectTimeout(layer, patience))
      else timer = limit(layer, patience)
    }, patience - waited)
  }
  let timer = limit('TCP')
  const stop = (): void => clearTimeout(timer)
  socket.once('lookup', () => {
    begun = performance.now()
  })
  socket.once('connect', () => {
    contact.roundTrip = performance.now() - begun
    heard()
    stop()
    if (secure) timer = limit('TLS')
  })
  socket.once('secureConnect', () => {
    heard()
    stop()
    if ((socket as TLSSocket).authorized) contact.heardAt = performance.now()
  })
  socket.once('close', stop)
}

class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT'
  constructor(layer: 'TCP' | 'TLS', patience: Milliseconds) {
    super(`no ${layer} connection within ${readableDuration(patience)}`)
  }
}

/** What the wire said, as an error of the site; our own errors and defects stay what they are. */
export function asUnreachable(link: Link, error: unknown): unknown {
  const { name, code } = error as { readonly name?: string; readonly code?: string }
  if (name === 'StandbyError' || (name === 'TypeError' && code !== 'ERR_INVALID_CHAR')) return error
  const { why, unseen } = wireFailure(error)
  return link.unreachable(why, unseen, error)
}

/**
 * How long to wait before a GET is tried again; null when the answer stands, as where the caller's own deadline must
 * decide about a long wait.
 */
function pauseBefore({ status, retryAfter }: HttpAnswer, tries: number): Milliseconds | null {
  if (retryOfStatus(status) !== 'transient') return null
  const wait = Math.max(retryAfter ?? 0, backoff(tries))
  return wait > LONGEST_PAUSE ? null : wait
}
const LONGEST_PAUSE: Milliseconds = seconds(2)

const backoff = (tries: number): Milliseconds => Math.min(1_000, 100 * 2 ** tries) * (0.5 + Math.random() / 2)

function dropIdle(agent: HttpAgent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}
