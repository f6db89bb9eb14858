import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What happens to one request on its way to the server and back. */
export type Fault =
  | 'pass'
  /** The connection breaks before the server sees anything. */
  | 'lose-request'
  /** The server has done it; the connection breaks before the answer. */
  | 'lose-answer'
  /** The server has done it; the answer never comes, the connection stays. */
  | 'swallow-answer'
  /** Something in between is busy; the server sees nothing. */
  | 'busy'
  /** The server has done it; something in between says that it is busy. */
  | 'busy-after'
  | 'delay'
  /** The sender hears nothing, and the server gets it when `deliverLate` is called. */
  | 'deliver-late'

export interface FaultyProxy {
  readonly endpoint: string
  /** Decides for each request; `pass` until it is set. */
  faultFor: (request: { readonly method: string; readonly path: string; readonly body: string }) => Fault
  /** Requests that were let through to the server, in order. */
  readonly delivered: string[]
  /** Gives the server what was held back; resolves when it has answered all of it. */
  deliverLate(): Promise<void>
  close(): Promise<void>
}

const DELAY = 150

/** A real HTTP connection with a person in the middle who breaks it. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target)
  const held: (() => Promise<unknown>)[] = []
  const proxy: FaultyProxy = {
    endpoint: '',
    faultFor: () => 'pass',
    delivered: [],
    async deliverLate() {
      await Promise.all(held.splice(0).map((deliver) => deliver()))
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const forward = (
    from: IncomingMessage,
    body: Buffer,
  ): Promise<{ readonly head: IncomingMessage; readonly body: Buffer }> =>
    new Promise((resolve, reject) => {
      proxy.delivered.push(`${from.method} ${from.url}`)
      // The signature covers the host header, so it stays the sender's.
      const sent = request(
        { hostname, port, method: from.method, path: from.url, headers: from.headers, agent: false },
        (head) => {
          bodyOf(head).then((answer) => resolve({ head, body: answer }), reject)
        },
      )
      sent.once('error', reject)
      sent.end(body)
    })

  const handle = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const body = await bodyOf(from)
    const fault = proxy.faultFor({ method: from.method ?? '', path: from.url ?? '', body: body.toString() })
    if (fault === 'lose-request') return void from.socket.destroy()
    if (fault === 'busy') return void to.writeHead(503).end()
    if (fault === 'deliver-late') return void held.push(() => forward(from, body))
    if (fault === 'delay') await pause(DELAY)
    const answer = await forward(from, body)
    if (fault === 'lose-answer') return void from.socket.destroy()
    if (fault === 'swallow-answer') return
    if (fault === 'busy-after') return void to.writeHead(503).end()
    to.writeHead(answer.head.statusCode ?? 502, answer.head.rawHeaders).end(answer.body)
  }
  const server = createServer((from, to) => {
    handle(from, to).catch(() => from.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
