import { Agent, request } from 'node:https'
import { Readable } from 'node:stream'
import { proxyEnvironment } from '../runtime/proxies.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'

/** What is asked of a server, with its whole body. */
export interface Asked {
  readonly method: string
  readonly headers: Headers
  readonly signal: AbortSignal
  readonly body?: Uint8Array
}

/** Shorter than servers keep an idle connection. */
const IDLE: Milliseconds = seconds(4)
const agents = new Map<string, Agent>()

/**
 * `fetch` for a server that these authorities (PEM) vouch for, and no others. Node's own `fetch` takes authorities only
 * for the whole process, in which a private one could then vouch for GitHub too. Redirects are answers.
 */
export async function fetchTrusting(
  authorities: string,
  url: URL,
  { method, headers, signal, body }: Asked,
): Promise<Response> {
  signal.throwIfAborted()
  const agent = agents.get(authorities) ?? agentTrusting(authorities)
  agents.set(authorities, agent)
  const length = body === undefined ? {} : { 'content-length': String(body.length) }
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, agent, signal, headers: { ...Object.fromEntries(headers), ...length } },
      (answer) => {
        const answered = new Headers()
        for (const [name, value] of Object.entries(answer.headersDistinct))
          for (const one of value ?? []) answered.append(name, one)
        const status = answer.statusCode ?? 0
        if (WITHOUT_BODY.has(status)) answer.resume()
        const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array>
        resolve(new Response(WITHOUT_BODY.has(status) ? null : stream, { status, headers: answered }))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** `Response` takes none with these. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

function agentTrusting(ca: string): Agent {
  const proxyEnv = proxyEnvironment(process.env)
  return new Agent({ ca, keepAlive: true, timeout: IDLE, ...(proxyEnv === null ? {} : { proxyEnv }) })
}
