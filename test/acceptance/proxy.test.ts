import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { runCli } from '../support/run-cli.ts'
import { type SmallStack, smallStackOn } from '../support/small-stack.ts'

jest.setTimeout(120_000)

let api: ApiServer
let store: ObjectStoreServer
let stack: SmallStack
let proxy: Server
const tunnels: string[] = []
const address = (): string => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`

beforeAll(async () => {
  ;[api, store] = await Promise.all([startApiServer(), startObjectStore()])
  stack = await smallStackOn(api, store)
  proxy = createServer((_request, response) => response.writeHead(501).end())
  proxy.on('connect', (request, client) => {
    tunnels.push(request.url ?? '')
    const [host = '', port = ''] = (request.url ?? '').split(':')
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    server.on('error', () => client.destroy())
    client.on('error', () => server.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await Promise.all([api.stop(), store.stop()])
})

describe('a runner that reaches nothing but its proxy', () => {
  test('asks API servers and object stores through it', async () => {
    tunnels.length = 0
    const env = { ...stack.env, HTTPS_PROXY: address(), HTTP_PROXY: address() }
    const run = await runCli(['--stack', stack.path, '--json', 'status'], { env })
    expect(run.stderr).toBe('')
    expect(JSON.parse(run.stdout)).toMatchObject({ sites: [{ reachable: true }, { reachable: true }] })
    expect(tunnels).toContain(new URL(api.url).host)
    expect(tunnels).toContain(new URL(store.endpoint).host)
  })

  test('goes past it where NO_PROXY says so', async () => {
    tunnels.length = 0
    const env = { ...stack.env, HTTPS_PROXY: address(), HTTP_PROXY: address(), NO_PROXY: '127.0.0.0/8' }
    const run = await runCli(['--stack', stack.path, '--json', 'status'], { env })
    expect(JSON.parse(run.stdout)).toMatchObject({ sites: [{ reachable: true }, { reachable: true }] })
    expect(tunnels).toEqual([])
  })

  test('says what is wrong with an address that is none, without quoting it', async () => {
    const run = await runCli(['--stack', stack.path, 'status'], {
      env: { ...stack.env, HTTPS_PROXY: 'http://me:hunter2@[' },
    })
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('standby: proxy-invalid')
    expect(run.stderr).not.toContain('hunter2')
  })
})
