import { Agent, type ClientRequest, type IncomingMessage, request as sendRequest } from 'node:http'

export interface Question {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly token?: string
  readonly body?: object
  readonly deadlineMs: number
}

export interface Answer {
  readonly status: number
  /** The backend that a load balancer says it used (`X-Standby-Site`); null without a load balancer. */
  readonly site: string | null
  readonly body: unknown
}

/**
 * No answer. `sent` tells whether a part of the request may have reached the other end: if not, nothing can have been
 * written.
 */
export class NoAnswer extends Error {
  readonly sent: boolean
  readonly reasonCode: string

  constructor(reasonCode: string, address: string, sent: boolean, cause?: unknown) {
    super(`${reasonCode}: ${address} ${cause instanceof Error ? cause.message : 'did not answer in time'}`, { cause })
    this.reasonCode = reasonCode
    this.sent = sent
  }
}

export interface HttpConnection {
  readonly address: string
  ask(question: Question): Promise<Answer>
  close(): void
}

/** A host that is gone swallows the handshake; one that lives answers it within a round trip. */
const CONNECT_MS = 500

/** Kept-alive connections to one address; each question ends by its deadline. */
export function openConnection(address: string): HttpConnection {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return { address, ask: (question) => ask(address, agent, question), close: () => agent.destroy() }
}

function ask(address: string, agent: Agent, question: Question): Promise<Answer> {
  const body = question.body === undefined ? null : JSON.stringify(question.body)
  return new Promise((resolve, reject) => {
    let connected = false
    const request = sendRequest(new URL(question.path, address), {
      method: question.method,
      agent,
      headers: {
        ...(question.token === undefined ? {} : { authorization: `Bearer ${question.token}` }),
        ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    })
    const fail = (reasonCode: string, cause?: unknown): void => {
      clearTimeout(connecting)
      clearTimeout(answering)
      request.destroy()
      reject(new NoAnswer(reasonCode, address, connected, cause))
    }
    const connecting = setTimeout(() => fail('connect-timeout'), Math.min(CONNECT_MS, question.deadlineMs))
    const answering = setTimeout(() => fail('answer-timeout'), question.deadlineMs)
    whenConnected(request, () => {
      connected = true
      clearTimeout(connecting)
    })
    request.once('error', (error) => fail(connected ? 'connection-broken' : 'connection-refused', error))
    request.once('response', (response) => {
      readBody(response).then(
        (text) => {
          clearTimeout(answering)
          resolve({ status: response.statusCode ?? 0, site: siteOf(response), body: parsed(text) })
        },
        (error) => fail('connection-broken', error),
      )
    })
    request.end(body)
  })
}

function whenConnected(request: ClientRequest, then: () => void): void {
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', then)
    else then()
  })
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function siteOf(response: IncomingMessage): string | null {
  const site = response.headers['x-standby-site']
  return typeof site === 'string' ? site : null
}

/** A load balancer answers with HTML; the status says enough then. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
