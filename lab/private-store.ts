import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LabEnvironment } from './environment.ts'
import { execute } from './execute.ts'
import { bridge } from './topology.ts'

/** The lab's object store under another address, whose certificate an authority of the lab's own has signed. */
export interface PrivateStore {
  readonly endpoint: string
  /** The certificates of the authority, as PEM. */
  readonly authorities: string
  /** Who asked it so far: addresses of sites, whose pods come out there, and of this machine. */
  readonly askers: ReadonlySet<string>
  stop(): Promise<void>
}

const PORT = 9443

/**
 * A TLS proxy of the lab's object store, in this process and as long as it lives. Signatures stay valid, for the host
 * that a client names is passed on.
 */
export async function startPrivateStore({ s3 }: LabEnvironment): Promise<PrivateStore> {
  const { authorities, key, cert } = await certificates(`IP:${bridge.address}`)
  const target = new URL(s3.endpoint)
  const askers = new Set<string>()
  const server = createServer({ key, cert }, (asked: IncomingMessage, answer: ServerResponse) => {
    askers.add(asked.socket.remoteAddress ?? 'unknown')
    // `Expect: 100-continue` is answered here already.
    const headers = Object.fromEntries(Object.entries(asked.headers).filter(([name]) => name !== 'expect'))
    const passed = forward(
      { host: target.hostname, port: target.port, method: asked.method, path: asked.url, headers, setHost: false },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(answer)
      },
    )
    passed.on('error', () => answer.destroy())
    answer.on('close', () => passed.destroy())
    asked.pipe(passed)
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(PORT, bridge.address, listening)
  })
  return {
    endpoint: `https://${bridge.address}:${PORT}`,
    authorities,
    askers,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped())
        server.closeAllConnections()
      }),
  }
}

/** An authority, and a certificate for these names (`IP:10.77.0.1`, `DNS:s3`) that it signed. */
export async function certificates(
  ...names: readonly string[]
): Promise<{ readonly authorities: string; readonly key: string; readonly cert: string }> {
  const home = await mkdtemp(join(tmpdir(), 'standby-private-store-'))
  try {
    const at = (file: string): string => join(home, file)
    const made = (name: string): string[] => [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'],
      ...['-subj', `/CN=standby-lab-${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)],
    ]
    await execute('openssl', [...made('store-authority'), '-addext', 'keyUsage=critical,keyCertSign,cRLSign'])
    await execute('openssl', [
      ...made('store'),
      ...['-CA', at('store-authority.crt'), '-CAkey', at('store-authority.key')],
      ...[
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-addext',
        'extendedKeyUsage=serverAuth',
        '-addext',
        `subjectAltName=${names.join(',')}`,
      ],
    ])
    const [authorities, key, cert] = await Promise.all(
      ['store-authority.crt', 'store.key', 'store.crt'].map((file) => readFile(at(file), 'utf8')),
    )
    if (authorities === undefined || key === undefined || cert === undefined)
      throw new Error('openssl left no certificate')
    return { authorities, key, cert }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
