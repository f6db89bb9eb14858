import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { parseArgs, promisify } from 'node:util'

/** The DNS server that the bridge updates and asks, at 127.0.0.1. */
export interface DnsServer {
  readonly port: number
  readonly zone: string
  /** `hmac-sha256:name:secret`, as `nsupdate -y` takes it. */
  readonly updateKey: string
}

export interface DnsBridge {
  /** Of one record: `https://127.0.0.1:…/records/app`. */
  readonly url: (name: string) => string
  close(): Promise<void>
}

/** Who may call the bridge, with which certificate it answers, and where; a free port of 127.0.0.1 by default. */
export interface BridgeOptions {
  readonly token: string
  readonly tls: { readonly key: string; readonly cert: string }
  readonly listen?: { readonly host: string; readonly port: number }
}

/** What the program reads from the file that `--settings` names. */
export type BridgeSettings = BridgeOptions & { readonly dns: DnsServer }

const run = promisify(execFile)

/**
 * What DNS services offer, for a DNS server that knows dynamic updates only (RFC 2136): `GET /records/<name>` answers
 * `{"content": "192.0.2.10", "ttl": 5}`, `PUT` with the same sets it. A caller shows the token.
 */
export async function startDnsBridge(
  dns: DnsServer,
  { token, tls, listen = { host: '127.0.0.1', port: 0 } }: BridgeOptions,
): Promise<DnsBridge> {
  const server = createServer(tls, (request, response) => {
    answer(dns, token, request, response).catch((error: unknown) => response.writeHead(502).end(String(error)))
  })
  server.listen(listen.port, listen.host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: (name) => `https://${listen.host}:${port}/records/${name}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(
  dns: DnsServer,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end()
  const name = /^\/records\/([a-z0-9-]+)$/.exec(request.url ?? '')?.[1]
  if (name === undefined) return void response.writeHead(404).end()
  if (request.method === 'PUT') {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { content, ttl } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>
    if (typeof content !== 'string' || !/^[0-9.]+$/.test(content) || typeof ttl !== 'number')
      return void response.writeHead(422).end()
    await update(dns, `${name}.${dns.zone}.`, content, ttl)
  }
  const { stdout } = await run('dig', [
    '@127.0.0.1',
    '-p',
    String(dns.port),
    `${name}.${dns.zone}`,
    'A',
    '+noall',
    '+answer',
  ])
  const [, ttl, , , content] = stdout.trim().split(/\s+/)
  if (content === undefined) return void response.writeHead(404).end()
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ content, ttl: Number(ttl) }))
}

async function update({ port, updateKey }: DnsServer, name: string, content: string, ttl: number): Promise<void> {
  const child = spawn('nsupdate', ['-y', updateKey], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(`server 127.0.0.1 ${port}\nupdate delete ${name} A\nupdate add ${name} ${ttl} A ${content}\nsend\n`)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`nsupdate ended with ${code}`)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { settings: { type: 'string', default: '' } } })
  const { dns, ...options } = JSON.parse(await readFile(values.settings, 'utf8')) as BridgeSettings
  const { url } = await startDnsBridge(dns, options)
  process.stdout.write(`${url('')}\n`)
}
