import { type IncomingMessage, Agent as PlainAgent, request as requestPlain } from 'node:http'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { TLSSocket } from 'node:tls'
import { siteError, timeoutError } from '../errors/standby-error.ts'
import { proxyEnvironment } from '../runtime/proxies.ts'
import { type Milliseconds, readableDuration } from '../values/duration.ts'
import { SILENCE } from './patience.ts'
import { measuredWay } from './round-trip.ts'
import { withinWay } from './within-way.ts'
import { retryOfWire } from './worth-another-try.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `http:` or `https:`. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Of the whole question, over a short way; over a longer one it grows as `patience.ts` says. */
  readonly deadline: Milliseconds
  /** Certificates (PEM) of a private authority: the only ones that count; the system's own when absent. */
  readonly authority?: string
  /** What proves to the server who asks (PEM). */
  readonly identity?: ClientIdentity
  readonly signal?: AbortSignal
  /** Bytes of the answer's body; default 64 KiB. */
  readonly mostBytes?: number
  /** How the bodies of question and answer are texts here; default `utf8`. Bytes that are no text go as `base64`. */
  readonly encoding?: 'utf8' | 'base64'
}

/** The certificate of a client, and its key (PEM). */
export interface ClientIdentity {
  readonly certificate: string
  readonly key: string
}

export interface HttpAnswer {
  readonly status: number
  /** Names in lower case; several values of one name are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** ISO 8601: the end of the certificate that the server showed; absent without TLS. */
  readonly certificateUntil?: string
}

const MOST_BYTES = 64 * 1024

/**
 * Asks one question over a connection of its own, through the proxies that the environment names. Any status is an
 * answer. A redirect is an answer too and is not followed: credentials in the headers belong to this address alone.
 * Throws `http-silent` (transient, but `never` for a certificate that is not trusted) when no whole answer comes within
 * the deadline, or the reason of a signal.
 */
export async function askOverHttp(
  request: HttpRequest,
  signals: readonly (AbortSignal | undefined)[] = [],
): Promise<HttpAnswer> {
  const late = (waited: Milliseconds): Error =>
    timeoutError('http-silent', `no answer from ${request.url} within ${readableDuration(waited)}`, {
      where: request.url,
      retry: 'transient',
    })
  return withinWay(
    measuredWay(request.url, SILENCE),
    { deadline: request.deadline },
    [...signals, request.signal],
    (signal) => exchange(request, signal),
    late,
  )
}

function exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const { method, url, body, authority, identity, mostBytes = MOST_BYTES, encoding = 'utf8' } = request
  const isPlain = new URL(url).protocol === 'http:'
  const send = isPlain ? requestPlain : requestTls
  const proxyEnv = proxyEnvironment(process.env)
  const way = proxyEnv === null ? {} : { proxyEnv }
  // A connection that is kept may be dead by the next question, which is minutes away.
  const trusted = {
    ...way,
    ...(authority === undefined ? {} : { ca: authority }),
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
  }
  const agent = isPlain ? new PlainAgent(way) : new TlsAgent(trusted)
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(
        signal.aborted
          ? error
          : siteError('http-silent', `${url}: ${error.message}`, { where: url, retry: retryOfWire(error) }),
      )
    const sent = send(
      url,
      {
        method,
        agent,
        signal,
        headers: {
          'user-agent': 'standby',
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body, encoding)) }),
          ...request.headers,
        },
      },
      (response) => {
        const certificateUntil = endOfCertificate(response)
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes > mostBytes) sent.destroy(new Error('its answer does not end'))
        })
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: headersOf(response),
            body: Buffer.concat(chunks).toString(encoding),
            ...(certificateUntil === null ? {} : { certificateUntil }),
          }),
        )
        response.once('error', failed)
      },
    )
    sent.once('error', failed)
    sent.end(body === undefined ? undefined : Buffer.from(body, encoding))
  })
}

/** Read while the connection stands: it knows no certificate afterwards. */
function endOfCertificate({ socket }: IncomingMessage): string | null {
  if (!(socket instanceof TLSSocket)) return null
  const end = Date.parse(socket.getPeerCertificate().valid_to ?? '')
  return Number.isNaN(end) ? null : new Date(end).toISOString()
}

const headersOf = ({ headersDistinct }: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headersDistinct).map(([name, values = []]) => [name, values.join(', ')]))
