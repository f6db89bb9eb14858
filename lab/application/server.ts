import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Refusal } from './answer.ts'
import { wroteNothing } from './database.ts'
import { log, reasonOf } from './log.ts'
import { askPrimary, isMutation } from './primary.ts'
import { answerCall, type Services } from './routes.ts'

const MAX_BODY_BYTES = 1024 * 1024

export interface Serving {
  /** Takes no new connection, finishes what is in hand, and cuts what is not finished by the deadline. */
  drain(deadlineMs: number): Promise<void>
}

/** Listens; the promise is resolved when connections are accepted. */
export async function serve(services: Services): Promise<Serving> {
  let draining = false
  const server = createServer((request, response) => {
    // The load balancer keeps connections alive: without this header a drained process would wait for the last idle
    // one.
    if (draining) response.setHeader('connection', 'close')
    void respond(request, response, services)
  })
  // Longer than the idle time of HAProxy towards a server, or a request meets a connection that is just being closed.
  server.keepAliveTimeout = 65_000
  const { host, port } = services.configuration
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    drain: (deadlineMs) => {
      draining = true
      return drain(server, deadlineMs)
    },
  }
}

async function drain(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
  await closed
  clearTimeout(timer)
}

async function respond(request: IncomingMessage, response: ServerResponse, services: Services): Promise<void> {
  try {
    const body = await readBody(request)
    const { primaryInstanceUrl } = services.configuration
    if (primaryInstanceUrl !== null && isMutation(request))
      return await askPrimary(primaryInstanceUrl, request, response, body)
    const url = new URL(request.url ?? '/', 'http://instance')
    const call = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      parameters: {},
      body: parsed(body),
      request,
    }
    send(response, 200, await answerCall(call, services))
  } catch (error) {
    refuse(request, response, error)
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, 'PayloadTooLarge', 'Request body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {}
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, as for a body that is no object.
  }
  throw new Refusal(400, 'BadRequest', 'Body is not a JSON object')
}

/**
 * 503 promises that nothing was written (the database refused, or was never reached); 500 promises nothing. Upstream
 * answers 500 to both; the difference lets a client that counts its writes tell a refused one from one whose fate is
 * open.
 */
function refusalOf(error: unknown): Refusal {
  if (wroteNothing(error)) return new Refusal(503, 'DatabaseError', 'The database did not take the request')
  return new Refusal(500, 'InternalServerError', 'Something went wrong')
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const reqId = randomUUID()
  const refusal = error instanceof Refusal ? error : refusalOf(error)
  if (refusal.status >= 500)
    log('error', 'Request failed', {
      reqId,
      method: request.method,
      url: request.url?.split('?')[0],
      reason: reasonOf(error),
    })
  if (response.headersSent) return void response.destroy()
  send(response, refusal.status, { reqId, statusCode: refusal.status, message: refusal.message, error: refusal.kind })
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) })
    .end(text)
}
