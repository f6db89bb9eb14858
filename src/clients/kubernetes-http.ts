import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { type Milliseconds, readableDuration, seconds } from '../duration.ts'
import type { StandbyError } from '../errors.ts'
import { retryAfterIn } from './retry-after.ts'
import { retryOfStatus } from './worth-another-try.ts'

/** How an API server is reached and who asks; asked again for every request, because tokens and certificates are renewed. */
export interface Link {
  readonly server: URL
  credentials(): Promise<Credentials>
  readonly agent: HttpAgent
  /** Says that nobody answered. */
  unreachable(why: string, cause?: unknown): StandbyError
}
export interface Credentials {
  readonly tls: SecureContextOptions & { readonly rejectUnauthorized?: boolean; readonly servername?: string }
  readonly headers: Readonly<Record<string, string>>
  /** In place of the link's own connections, where the kubeconfig names a proxy. */
  readonly proxy?: HttpAgent
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

/** For TCP and TLS together: a site that needs longer can not be worked with. */
export const CONNECT_TIMEOUT: Milliseconds = seconds(1)
/** API servers and load balancers drop idle connections after 60 s or more; ours are gone before. */
const IDLE: Milliseconds = seconds(30)

/** Kept-alive connections of one client: a TLS handshake costs more than the request that follows. */
export const keptAliveAgent = (server: URL, maxSockets: number): HttpAgent =>
  new (server.protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets, timeout: IDLE, scheduling: 'lifo' })

/** One request and its whole answer. A GET is tried again a few times on 429, 5xx and lost connections, unless it is asked to wait for long. */
export async function exchange(link: Link, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const repeatable = request.method === 'GET' && request.once !== true
  for (let tries = 1; ; tries++) {
    const again = repeatable && tries < MAX_TRIES
    try {
      const response = await send(link, request, signal)
      const answer = await answerOf(response)
      const wait = again ? pauseBefore(answer, tries) : null
      if (wait === null) return answer
      await pause(wait, undefined, { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(again && wasLost(error))) throw asUnreachable(link, error)
      await pause(backoff(tries), undefined, { signal })
    }
  }
}
const MAX_TRIES = 4

/** One request, answered as far as its headers; the body ends with an error when the signal is aborted. */
export async function send(link: Link, request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const credentials = await link.credentials()
  signal.throwIfAborted()
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  const options: RequestOptions = {
    ...credentials.tls,
    method: request.method,
    hostname: link.server.hostname.replace(/^\[|\]$/g, ''),
    port: link.server.port === '' ? undefined : link.server.port,
    path: pathAt(link.server, request.path),
    agent: credentials.proxy ?? link.agent,
    signal,
    headers: {
      ...credentials.headers,
      accept: 'application/json, */*',
      'user-agent': 'standby',
      ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json', 'content-length': String(body.length) }),
    },
  }
  return new Promise((resolve, reject) => {
    const sent = (link.server.protocol === 'https:' ? httpsRequest : httpRequest)(options)
    sent.once('response', resolve)
    // `on`: a connection that breaks in the middle of an answer is reported here once more.
    sent.on('error', (error) => {
      // A connection that died in silence is seldom alone: the next request must not wait for its neighbours.
      if (signal.aborted && sent.reusedSocket) dropIdle(link.agent)
      reject(error)
    })
    sent.once('socket', (socket) => limitConnecting(socket, (error) => sent.destroy(error)))
    sent.end(body)
  })
}

/** The request's path behind that of the server: `https://rancher.example/k8s/clusters/c-1`. */
export const pathAt = (server: URL, path: string): string => `${server.pathname.replace(/\/$/, '')}${path}`

/** The whole of an answer. */
export async function answerOf(response: IncomingMessage): Promise<HttpAnswer> {
  const { 'retry-after': asked, date } = response.headers
  return { status: response.statusCode ?? 0, body: await bodyOf(response), retryAfter: retryAfterIn(asked, date, new Date()) }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Ends an attempt to connect that takes longer than CONNECT_TIMEOUT; a kept-alive connection is connected already. */
export function limitConnecting(socket: Socket, end: (error: Error) => void): void {
  const secure = 'secureConnecting' in socket
  if (!(socket.connecting || (secure && (socket as TLSSocket & { secureConnecting: boolean }).secureConnecting))) return
  const timer = setTimeout(() => end(new ConnectTimeout(socket.connecting ? 'TCP' : 'TLS')), CONNECT_TIMEOUT)
  const stop = (): void => clearTimeout(timer)
  socket.once(secure ? 'secureConnect' : 'connect', stop)
  socket.once('close', stop)
}

class ConnectTimeout extends Error {
  constructor(layer: 'TCP' | 'TLS') {
    super(`no ${layer} connection within ${readableDuration(CONNECT_TIMEOUT)}`)
  }
}

/** Lost after it was connected: another try may find a healthy connection. A refused or silent server is not asked twice. */
function wasLost(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** What the wire said, as `site-unreachable`; our own errors and defects stay what they are. */
export function asUnreachable(link: Link, error: unknown): unknown {
  const { name } = error as { readonly name?: string }
  return name === 'StandbyError' || name === 'TypeError' ? error : link.unreachable(reasonOf(error as NodeJS.ErrnoException), error)
}

function reasonOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'it refuses connections'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `its name does not resolve (${error.message})`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it'
    case 'ECONNRESET':
    case 'EPIPE':
      return `it cut the connection (${error.message})`
    default:
      if (/CERT|SIGNATURE|ISSUER/.test(error.code ?? '')) return `its certificate is not trusted (${error.message})`
      return error.message === '' ? (error.code ?? error.name) : error.message
  }
}

/** How long to wait before a GET is tried again; null when the answer stands, as where the caller's own deadline must decide about a long wait. */
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
