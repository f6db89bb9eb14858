import { spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type WebSocket, WebSocketServer } from 'ws'
import type { KubernetesClient, ObjectReference } from '../../../src/clients/kubernetes-client.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { selfSigned } from '../../support/certificate.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const signal = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Listening {
  listen(port: number, host: string, done: () => void): unknown
  address(): AddressInfo | string | null
  on(event: 'connection', listener: (socket: Socket) => void): unknown
  close(): unknown
}
async function listen(server: Listening): Promise<{ readonly port: number; connections(): number }> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    sockets.add(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections: () => connections }
}

/** A plain API server of our own, for answers that a healthy one does not give. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server: Server = createHttpServer(answer)
  const listening = await listen(server)
  return {
    ...listening,
    server,
    client: clientOf(`http://127.0.0.1:${listening.port}`, 'insecure-skip-tls-verify: true'),
  }
}
const clientOf = (url: string, cluster?: string): KubernetesClient =>
  openKubernetes({
    site: 'dc-a',
    kubeconfig: kubeconfigOf({ url, ...(cluster === undefined ? {} : { cluster }) }),
    signal,
  })

const ref: ObjectReference = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespace: 'default',
  name: 'a',
}
const object = (version: string) => ({ metadata: { name: 'a', resourceVersion: version } })
const failure = (work: Promise<unknown>): Promise<{ code: string; message: string }> =>
  work.then(
    () => {
      throw new Error('nothing failed')
    },
    (error: unknown) => error as { code: string; message: string },
  )
async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const took = awakeClock()
  return [await work, took()]
}

describe('a site that does not answer', () => {
  test('is known within the connect timeout when it accepts connections and says nothing', async () => {
    const { port } = await listen(createTcpServer())
    const [error, took] = await timed(failure(clientOf(`https://127.0.0.1:${port}`).version()))
    expect(error).toMatchObject({
      code: 'site-unreachable',
      message: 'dc-a does not answer: no TLS connection within 3.0 s',
    })
    expect(took).toBeLessThan(3_500)
  })

  test('is known within the connect timeout when its packets vanish', async () => {
    // A stopped program whose queue of connections is full: the kernel drops further SYNs, as a cut link does.
    const script =
      "const s = require('net').createServer(); s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))"
    const program = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    closing.push(() => program.kill('SIGKILL'))
    const port = await new Promise<number>((resolve) =>
      program.stdout.once('data', (data: Buffer) => resolve(Number(data))),
    )
    program.kill('SIGSTOP')
    const queue = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
    closing.push(() => queue.forEach((socket) => void socket.destroy()))
    await pause(200)
    const [error, took] = await timed(failure(clientOf(`https://127.0.0.1:${port}`).version()))
    expect(error).toMatchObject({
      code: 'site-unreachable',
      message: 'dc-a does not answer: no TCP connection within 3.0 s',
    })
    expect(took).toBeLessThan(3_500)
  })

  test('is known at the deadline when it speaks TLS and never answers the request', async () => {
    const { key, cert } = selfSigned()
    const { port } = await listen(createHttpsServer({ key, cert }, () => undefined))
    const caData = Buffer.from(cert).toString('base64')
    const client = openKubernetes({
      site: 'dc-a',
      kubeconfig: kubeconfigOf({ url: `https://127.0.0.1:${port}`, caData }),
      signal,
    })
    // Long enough for a busy machine to end the handshake: before that, another error is right.
    const [error, took] = await timed(failure(client.get(ref, { deadline: 2_000 })))
    expect(error).toMatchObject({
      code: 'site-unreachable',
      message: 'dc-a does not answer: no answer to GET /api/v1/namespaces/default/configmaps/a within 2.0 s',
    })
    expect(took).toBeLessThan(2_300)
  })

  test('is known at once when it refuses connections, and the address is in the error', async () => {
    const [error, took] = await timed(failure(clientOf('https://127.0.0.1:1').version()))
    expect(error).toMatchObject({
      code: 'site-unreachable',
      where: 'dc-a https://127.0.0.1:1',
      message: expect.stringContaining('refuses'),
    })
    expect(took).toBeLessThan(500)
  })

  test('does not delay a cancellation', async () => {
    const { client } = await serve(() => undefined)
    const cancel = new AbortController()
    setTimeout(() => cancel.abort(new Error('cancelled by hand')), 100)
    const [error, took] = await timed(failure(client.get(ref, { signal: cancel.signal })))
    expect(error.message).toBe('cancelled by hand')
    expect(took).toBeLessThan(400)
  })
})

describe('requests', () => {
  test('go over connections that are kept alive, eight at most', async () => {
    const { client, connections } = await serve((_, response) =>
      setTimeout(() => response.end(JSON.stringify(object('1'))), 20),
    )
    await Promise.all(Array.from({ length: 40 }, () => client.get(ref)))
    for (let n = 0; n < 5; n++) await client.get(ref)
    expect(connections()).toBeLessThanOrEqual(8)
  })

  test('that only read are tried again when the server is overloaded or hangs up', async () => {
    let asked = 0
    const { client } = await serve((request, response) => {
      asked++
      if (asked === 1) request.socket.destroy()
      else if (asked === 2) response.writeHead(429, { 'retry-after': '0' }).end()
      else if (asked === 3) response.writeHead(503).end()
      else response.end(JSON.stringify(object('7')))
    })
    expect((await client.get(ref))?.metadata.resourceVersion).toBe('7')
    expect(asked).toBe(4)
  })

  test('that write are never repeated by us', async () => {
    let asked = 0
    const { client } = await serve((request) => {
      asked++
      request.socket.destroy()
    })
    expect((await failure(client.patch(ref, { data: {} }))).code).toBe('site-unreachable')
    expect(asked).toBe(1)
  })

  test('through the pod proxy return the answer of the pod, whatever it is', async () => {
    const paths: (string | undefined)[] = []
    const { client } = await serve((request, response) => {
      paths.push(request.url)
      response.writeHead(503).end('starting')
    })
    const target = { namespace: 'db', pod: 'pg-1', scheme: 'https', port: 8000, path: '/pg/status' } as const
    expect(await client.proxyGet(target)).toEqual({ status: 503, body: 'starting' })
    expect(paths).toEqual(['/api/v1/namespaces/db/pods/https%3Apg-1%3A8000/proxy/pg/status'])
  })

  test('go through the proxy that the kubeconfig names', async () => {
    const { key, cert } = selfSigned()
    const api = await listen(
      createHttpsServer({ key, cert }, (_, response) => response.end('{"gitVersion":"v1.34.4"}')),
    )
    const tunnels: (string | undefined)[] = []
    const proxy = createHttpServer().on('connect', (request: IncomingMessage, socket: Socket) => {
      tunnels.push(request.url)
      const onward = connect(api.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    const { port } = await listen(proxy)
    const kubeconfig = kubeconfigOf({
      url: `https://127.0.0.1:${api.port}`,
      caData: Buffer.from(cert).toString('base64'),
      cluster: `proxy-url: http://127.0.0.1:${port}`,
    })
    expect(await openKubernetes({ site: 'dc-a', kubeconfig, signal }).version()).toBe('v1.34.4')
    expect(tunnels).toEqual([`127.0.0.1:${api.port}`])
  })

  test('are sent below the path of the server, as gateways to many clusters need it', async () => {
    const paths: (string | undefined)[] = []
    const { port } = await serve((request, response) => {
      paths.push(request.url)
      response.end('{"gitVersion":"v1.34.4"}')
    })
    await clientOf(`http://127.0.0.1:${port}/k8s/clusters/c-1`, 'insecure-skip-tls-verify: true').version()
    expect(paths).toEqual(['/k8s/clusters/c-1/version'])
  })
})

describe('a watch', () => {
  const list = (version: string, items: object[]) => JSON.stringify({ metadata: { resourceVersion: version }, items })
  const event = (type: string, version: string) => `${JSON.stringify({ type, object: object(version) })}\n`

  test('goes on where it was after the server hung up, and looks afresh when its version has expired', async () => {
    const asked: (string | null)[] = []
    const { client } = await serve((request, response) => {
      const query = new URL(request.url ?? '', 'http://x').searchParams
      asked.push(query.get('watch') === null ? 'list' : query.get('resourceVersion'))
      if (asked.length === 1) response.end(list('10', [object('9')]))
      else if (asked.length === 2) response.end(event('MODIFIED', '11') + event('BOOKMARK', '15'))
      else if (asked.length === 3)
        response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, metadata: {} } })}\n`)
      else if (asked.length === 4) response.end(list('30', [object('29')]))
      else response.write(event('DELETED', '31'))
    })
    const ending = new AbortController()
    const seen: (string | null)[] = []
    for await (const found of client.watch(ref, ending.signal)) {
      seen.push(found?.metadata.resourceVersion ?? null)
      if (seen.length === 4) ending.abort()
    }
    expect(seen).toEqual(['9', '11', '29', null])
    expect(asked).toEqual(['list', '10', '15', 'list', '30'])
  })

  test('of all that is selected yields at the begin, and at each change of any of it', async () => {
    const asked: string[] = []
    const { client } = await serve((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
      asked.push(`${pathname} ${searchParams.get('labelSelector')}`)
      if (searchParams.get('watch') === null) response.end(list('10', [object('9'), object('8')]))
      else response.write(event('MODIFIED', '11') + event('BOOKMARK', '12') + event('DELETED', '13'))
    })
    const ending = new AbortController()
    let times = 0
    const pods = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' }
    for await (const _ of client.watchAll(
      pods,
      { namespace: 'infisical', labelSelector: 'app=infisical' },
      ending.signal,
    ))
      if (++times === 3) ending.abort()
    expect(times).toBe(3)
    expect(new Set(asked)).toEqual(new Set(['/api/v1/namespaces/infisical/pods app=infisical']))
  })

  test('does not ask in a loop when the server hangs up at once', async () => {
    let asked = 0
    const { client } = await serve((request, response) => {
      asked++
      response.end(request.url?.includes('watch=true') ? '' : list('1', []))
    })
    const ending = new AbortController()
    setTimeout(() => ending.abort(), 1_200)
    for await (const _ of client.watch(ref, ending.signal));
    expect(asked).toBeLessThanOrEqual(5)
  })

  test('survives an outage of the site', async () => {
    const first = await serve((request, response) => {
      if (request.url?.includes('watch=true')) response.write(event('MODIFIED', '2'))
      else response.end(list('1', [object('1')]))
    })
    const ending = new AbortController()
    const seen: (string | undefined)[] = []
    const watching = (async () => {
      for await (const found of first.client.watch(ref, ending.signal)) seen.push(found?.metadata.resourceVersion)
    })()
    for (let tries = 0; tries < 100 && seen.length < 2; tries++) await pause(50)
    first.server.closeAllConnections()
    await new Promise((resolve) => first.server.close(resolve))
    await pause(700)
    const again = createHttpServer((_, response) => response.write(event('MODIFIED', '3')))
    await new Promise<void>((resolve) => again.listen(first.port, '127.0.0.1', resolve))
    closing.push(() => {
      again.closeAllConnections()
      again.close()
    })
    for (let tries = 0; tries < 60 && seen.length < 3; tries++) await pause(100)
    ending.abort()
    await watching
    expect(seen).toEqual(['1', '2', '3'])
  })
})

describe('a command in a container', () => {
  /** Speaks the server's half of the protocol that the kubelet speaks. */
  async function execServer(
    behave: (socket: WebSocket, input: (then: (stdin: string) => void) => void, url: string) => void,
  ) {
    const { client, server } = await serve((_, response) => response.writeHead(404).end())
    const sockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false })
    sockets.on('connection', (socket, request) => {
      const input = (then: (stdin: string) => void): void => {
        let stdin = ''
        socket.on('message', (data: Buffer) => {
          if (data[0] === 0) stdin += data.subarray(1).toString()
          if (data[0] === 255) then(stdin)
        })
      }
      behave(socket, input, request.url ?? '')
    })
    closing.push(() => sockets.close())
    return client
  }
  const say = (socket: WebSocket, channel: number, text: string): void =>
    socket.send(Buffer.concat([Buffer.of(channel), Buffer.from(text)]))
  const pod = { namespace: 'db', name: 'pg-1', container: 'postgres' }

  test('gets its arguments and input, and returns both outputs and the exit code', async () => {
    let asked = ''
    const client = await execServer((socket, input, url) => {
      asked = url
      input((stdin) => {
        say(socket, 1, `read ${stdin}`)
        say(socket, 2, 'a warning')
        const causes = [{ reason: 'ExitCode', message: '3' }]
        say(
          socket,
          3,
          JSON.stringify({ metadata: {}, status: 'Failure', reason: 'NonZeroExitCode', details: { causes } }),
        )
      })
    })
    expect(await client.exec(pod, ['psql', '-c', 'select 1'], { stdin: 'some input' })).toEqual({
      code: 3,
      stdout: 'read some input',
      stderr: 'a warning',
    })
    const query = new URL(asked, 'http://x').searchParams
    expect(query.getAll('command')).toEqual(['psql', '-c', 'select 1'])
    expect(query.get('container')).toBe('postgres')
  })

  test('that ends well is 0, as a kubelet says it: without a kind', async () => {
    const client = await execServer((socket) => say(socket, 3, '{"metadata":{},"status":"Success"}'))
    expect(await client.exec(pod, ['true'])).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('that could not be started is an error with the reason', async () => {
    const client = await execServer((socket) =>
      say(socket, 3, '{"kind":"Status","status":"Failure","reason":"InternalError","message":"no such file: psql"}'),
    )
    expect(await failure(client.exec(pod, ['psql']))).toMatchObject({
      code: 'kubernetes-exec-failed',
      where: 'dc-a db/Pod/pg-1',
      message: expect.stringContaining('no such file: psql'),
    })
  })

  test('whose connection breaks has an unknown end, and that is said', async () => {
    const client = await execServer((socket) => socket.terminate())
    expect(await failure(client.exec(pod, ['true']))).toMatchObject({
      code: 'site-unreachable',
      message: expect.stringContaining("before the command's end was known"),
    })
  })

  test('that does not end is left at its deadline', async () => {
    const client = await execServer(() => undefined)
    // Long enough for a busy machine to begin the command: before that, another error is right.
    const [error, took] = await timed(failure(client.exec(pod, ['sleep', 'inf'], { deadline: 2_000 })))
    expect(error).toMatchObject({
      code: 'kubernetes-timeout',
      message: 'sleep in postgres did not end within 2.0 s; it may go on',
    })
    expect(took).toBeLessThan(2_300)
  })

  test('that is refused takes no connection away from the next request', async () => {
    const said =
      'pods "pg-1" is forbidden: User "guard" cannot create resource "pods/exec" in API group "" in the namespace "default"'
    const { client } = await serve(({ url }, response) => {
      if (url?.includes('/exec') === true)
        response.writeHead(403).end(`{"kind":"Status","message":${JSON.stringify(said)}}`)
      else response.end(JSON.stringify(object('1')))
    })
    for (let round = 0; round < 10; round++) {
      await Promise.all([client.get(ref), client.get(ref)])
      expect(await failure(client.exec(pod, ['true']))).toMatchObject({ code: 'kubernetes-forbidden' })
      // A write is not tried again where its connection is lost.
      expect(await client.patch(ref, { data: { round: String(round) } })).toMatchObject(object('1'))
    }
  })

  test('in a pod that does not exist is not found', async () => {
    const { client } = await serve((_, response) =>
      response.writeHead(404).end('{"kind":"Status","message":"pods \\"pg-1\\" not found"}'),
    )
    expect(await failure(client.exec(pod, ['true']))).toMatchObject({
      code: 'kubernetes-not-found',
      message: 'pods "pg-1" not found',
    })
  })
})

describe('a kubeconfig', () => {
  const shared = `apiVersion: v1
current-context: production
contexts:
- { name: production, context: { cluster: p, user: u } }
- { name: other, context: { cluster: o, user: u } }
clusters:
- { name: p, cluster: { server: 'http://127.0.0.1:1', insecure-skip-tls-verify: true } }
- { name: o, cluster: { server: 'http://127.0.0.1:2', insecure-skip-tls-verify: true } }
users:
- { name: u, user: { token: t } }
`
  const opened = (kubeconfig: string, context?: string) => () =>
    openKubernetes({ site: 'dc-a', kubeconfig, context, signal })

  test('is used with the context that is asked for, never with another one', async () => {
    expect(await failure(opened(shared, 'other')().version())).toMatchObject({ where: 'dc-a http://127.0.0.1:2' })
    expect(await failure(opened(shared)().version())).toMatchObject({ where: 'dc-a http://127.0.0.1:1' })
    expect(opened(shared, 'third')).toThrow('it has no context third; there are production, other')
  })

  test('may be given as a path', async () => {
    const path = join(temporaryFolder(), 'config')
    writeFileSync(path, shared)
    expect(await failure(opened(path)().version())).toMatchObject({ where: 'dc-a http://127.0.0.1:1' })
  })

  test.each([
    ['/nowhere/kubeconfig is no file that can be read (ENOENT)', '/nowhere/kubeconfig'],
    ['it has no clusters', 'a: 1\n'],
    ['not encrypted', kubeconfigOf({ url: 'http://127.0.0.1:1' })],
    ['no address', kubeconfigOf({ url: 'nonsense' })],
    ['it is a list', '- a\n- b\n'],
    ['it is no mapping', 'garbage\nof no kind\n'],
    ['it is no YAML (line 2, column 1)', 'a: "1\n'],
    ['it is encoded in base64', Buffer.from(shared).toString('base64')],
    ['it is encoded in base64', `${Buffer.from(shared).toString('base64').replaceAll(/.{76}/g, '$&\n')}\n`],
    ['its users must be a list of mappings', shared.replace(/users:[\s\S]*/, 'users: { u: t }')],
    [
      'its user logs in by the auth-provider gcp',
      kubeconfigOf({ url: 'https://127.0.0.1:1', user: 'auth-provider: { name: gcp }' }),
    ],
    [
      'its user logs in by the auth-provider azure',
      kubeconfigOf({ url: 'https://127.0.0.1:1', user: 'auth-provider: { name: azure }' }),
    ],
  ])('that cannot be used is refused before anything is contacted: %s', (why, kubeconfig) => {
    expect(opened(kubeconfig)).toThrow(
      expect.objectContaining({
        code: 'kubeconfig-invalid',
        message: expect.stringContaining(why),
      }),
    )
  })

  test('that is broken does not spill its secrets into the error', () => {
    const encoded = Buffer.from(shared).toString('base64')
    for (const kubeconfig of [encoded, `{"token": "${encoded}`])
      expect(opened(kubeconfig)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining(encoded.slice(0, 40)) }),
      )
    expect(opened(`${shared}\n  token: super-secret\n :`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('super-secret') }),
    )
  })

  test('may name a program that gives the token', async () => {
    const program = join(temporaryFolder(), 'login')
    writeFileSync(program, `#!/bin/sh\necho '{"kind":"ExecCredential","status":{"token":"from-program"}}'\n`)
    chmodSync(program, 0o755)
    let authorization: string | undefined
    const { port } = await serve((request, response) => {
      authorization = request.headers.authorization
      response.end('{"gitVersion":"v1"}')
    })
    const user = (command: string): string =>
      `exec: { apiVersion: client.authentication.k8s.io/v1, command: ${command} }`
    const url = `http://127.0.0.1:${port}`
    const cluster = 'insecure-skip-tls-verify: true'
    await opened(kubeconfigOf({ url, cluster, user: user(program) }))().version()
    expect(authorization).toBe('Bearer from-program')
    expect(
      await failure(opened(kubeconfigOf({ url, cluster, user: user('no-such-login') }))().version()),
    ).toMatchObject({
      code: 'login-failed',
      unseen: 'login-missing',
      message: expect.stringContaining('no-such-login was not found'),
    })
  })
})
