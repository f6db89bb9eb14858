import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from '@jest/globals'
import { parseDocument } from 'yaml'
import type { LabNginxAndDns } from '../../../lab/environment.ts'
import { SUDOERS } from '../../../lab/images/nginx-tree.ts'
import { dnsCredentials, nginxAndDnsComponents } from '../../../lab/nginx-and-dns-components.ts'
import { until } from '../../../lab/until.ts'
import type { BridgeSettings } from '../../../lab/wan/dns-bridge.ts'
import {
  activeFileOf,
  CLOSED,
  firstActiveFile,
  nginxConfiguration,
  upstreamOf,
  VARIABLE,
} from '../../../lab/wan/nginx-configuration.ts'
import { describeNginxHost } from '../../../lab/wan/nginx-host.ts'
import { askOverHttp } from '../../../src/clients/http-question.ts'
import { runProcess } from '../../../src/clients/process.ts'
import { readInstance, setValue } from '../../../src/drivers/nginx/instance.ts'
import type { NginxSpec } from '../../../src/drivers/nginx/spec.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import type { HostRunner } from '../../../src/systems/traffic/hosts.ts'
import { selfSigned } from '../../support/certificate.ts'
import { startDns } from '../../support/dns.ts'
import { needs } from '../../support/needs.ts'
import { freePorts, startServer } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

needs('nginx')

const repository = resolve(import.meta.dirname, '..', '..', '..')
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
}, 60_000)

describe("the lab's NGINX", () => {
  test('begins closed, is switched by the driver, and names the site that answered after a reload and a restart', async () => {
    const host = await startLabNginx()
    expect(await host.siteOf()).toBe('none (502)')
    await host.set(upstreamOf('dc-b'))
    expect(await host.siteOf()).toBe('dc-b')
    await host.restart()
    expect(await host.siteOf()).toBe('dc-b')
    await host.set(upstreamOf('dc-a'))
    expect(await host.siteOf()).toBe('dc-a')
    await host.set(CLOSED)
    expect(await host.siteOf()).toBe('none (502)')
  }, 60_000)

  test('gives the login the rights that the page of the driver names, and no others', async () => {
    const page = await readFile(join(repository, 'docs', 'drivers', 'nginx.md'), 'utf8')
    expect(page).toContain(SUDOERS)
  })
})

test("the lab's bridge runs as a program, and sets and reads a record for callers with its token alone", async () => {
  const dns = await startDns('standby.test', { app: '192.0.2.1' }, 2)
  ends.push(() => dns.stop())
  const tls = selfSigned()
  const [port = 0] = await freePorts(1)
  const settings: BridgeSettings = { dns, token: 'the-token', tls, listen: { host: '127.0.0.1', port } }
  const file = join(temporaryFolder(), 'bridge.json')
  await writeFile(file, JSON.stringify(settings))
  const url = `${await startBridge(file)}app`
  const ask = (method: 'GET' | 'PUT', token: string, body?: string) =>
    askOverHttp({
      method,
      url,
      headers: { authorization: `Bearer ${token}` },
      authority: tls.cert,
      deadline: 10_000,
      ...(body === undefined ? {} : { body }),
    })
  const set = JSON.stringify({ content: '192.0.2.20', ttl: 2 })
  expect(await ask('PUT', 'another', set)).toMatchObject({ status: 401 })
  expect(JSON.parse((await ask('GET', 'the-token')).body)).toMatchObject({ content: '192.0.2.1' })
  expect(await ask('PUT', 'the-token', set)).toMatchObject({ status: 200 })
  expect(JSON.parse((await ask('GET', 'the-token')).body)).toEqual({ content: '192.0.2.20', ttl: 2 })
}, 60_000)

test('a published stack with both components is a stack that the tool accepts', async () => {
  const doors: LabNginxAndDns = {
    nginx: [describeNginxHost('nginx-1'), describeNginxHost('nginx-2')],
    dns: {
      server: '10.77.0.51',
      name: 'app.standby.lab',
      url: 'https://10.77.0.51:8443/records/app',
      token: 'the-token',
      authorities: 'the certificates',
      addresses: { 'dc-a': '10.77.0.11', 'dc-b': '10.77.0.12', 'dc-c': '10.77.0.13' },
      closed: '192.0.2.1',
      ttl: 2,
    },
  }
  const sites = (['dc-a', 'dc-b'] as const).map((name) => ({ name })) as never
  const components = nginxAndDnsComponents({ sites, nginxAndDns: doors })
  const folder = temporaryFolder()
  await cp(join(repository, 'stacks', 'infisical-kubernetes'), folder, { recursive: true })
  const path = join(folder, 'standby.yaml')
  const document = parseDocument(await readFile(path, 'utf8'))
  for (const [name, declared] of Object.entries(components)) document.setIn(['components', name], declared)
  await writeFile(path, document.toString())
  const stack = await loadStack(path, { drivers, witnesses })
  expect(stack.components.find(({ name }) => name === 'proxies')?.spec).toMatchObject({
    upstreams: { 'dc-a': 'be-dc-a', 'dc-b': 'be-dc-b' },
    instances: [{ host: '10.77.0.23' }, { host: '10.77.0.24' }],
  })
  expect(stack.components.find(({ name }) => name === 'dns')?.spec).toMatchObject({
    sites: { 'dc-a': '10.77.0.11', 'dc-b': '10.77.0.12' },
  })
  // Each credential that the two name is in the environment of an operation.
  const named = JSON.stringify(components).match(/STANDBY_[A-Z_]+/g) ?? []
  const given = [...Object.keys(dnsCredentials(doors)), 'STANDBY_SSH_PRIVATE_KEY', 'STANDBY_SSH_KNOWN_HOSTS']
  expect([...new Set(named)].sort()).toEqual(given.sort())
})

interface LabNginxHere {
  /** The site that answers a user, or `none` with the status. */
  siteOf(): Promise<string>
  set(value: string): Promise<void>
  restart(): Promise<void>
}

/** The configuration of the lab at places of this test, for two sites that answer. */
async function startLabNginx(): Promise<LabNginxHere> {
  const home = temporaryFolder()
  const [frontend = 0, status = 0] = await freePorts(2)
  const places = {
    frontend: `127.0.0.1:${frontend}`,
    status: `127.0.0.1:${status}`,
    folder: join(home, 'standby'),
    pid: join(home, 'pid'),
  }
  const origins = { 'dc-a': await startOrigin(), 'dc-b': await startOrigin() }
  const configuration = join(home, 'nginx.conf')
  for (const folder of ['standby', 'temp']) await mkdir(join(home, folder))
  await writeFile(activeFileOf(places), firstActiveFile)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${home}/temp/${name};`,
  )
  const whole = nginxConfiguration(origins, places, `daemon off; error_log ${home}/error.log;`)
  await writeFile(configuration, whole.replace('http {', `http { ${temporary.join(' ')}`))
  const args = ['-p', home, '-c', configuration]
  const start = () =>
    startServer('/usr/sbin/nginx', args, {
      answers: async () => (await fetch(`http://${places.status}/active`)).ok,
    })
  let server = await start()
  ends.push(() => server.stop())
  const spec = {
    file: activeFileOf(places),
    variable: VARIABLE,
    status: `http://${places.status}/active`,
    command: `/usr/sbin/nginx ${args.join(' ')}`,
    pid: places.pid,
  } as NginxSpec
  const signal = AbortSignal.timeout(60_000)
  const run: HostRunner = (command, input) => runProcess('sh', ['-c', command], { deadline: 10_000, input })
  return {
    async siteOf() {
      const response = await fetch(`http://${places.frontend}/`, { signal })
      await response.body?.cancel()
      return response.headers.get('x-standby-site') ?? `none (${response.status})`
    },
    async set(value) {
      const before = await readInstance(run, 'nginx-1', spec, signal)
      await setValue(run, 'nginx-1', spec, { value, before }, signal)
      // A reload is not atomic: for a moment after it old workers answer too.
      const holds = async () => {
        const { runtime, file, oldWorkers } = (await readInstance(run, 'nginx-1', spec, signal)).view
        return runtime === value && file === value && oldWorkers === 0
      }
      await until(`NGINX holds ${value}`, { deadline: 15_000, every: 100 }, holds)
    },
    async restart() {
      await server.stop()
      server = await start()
    },
  }
}

/** Answers for a site; returns its `address:port`. */
async function startOrigin(): Promise<string> {
  const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Returns the address of its records. */
async function startBridge(settings: string): Promise<string> {
  const program = join(repository, 'lab', 'wan', 'dns-bridge.ts')
  const child: ChildProcess = spawn(process.execPath, [program, '--settings', settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  ends.push(async () => {
    child.kill()
    if (child.exitCode === null) await once(child, 'exit')
  })
  if (child.stdout === null) throw new Error('the bridge has no output')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return line
}
