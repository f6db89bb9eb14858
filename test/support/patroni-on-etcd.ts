import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askOverHttp } from '../../src/clients/http-question.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { type Certified, readCertified } from './authority.ts'
import { needs } from './needs.ts'
import type { StartStores, StoreOfTest, StoresOfTest } from './patroni-store.ts'
import { freePorts, killNow, type ServerProcess, startServer } from './server-process.ts'

needs('etcd-server')

/** An etcd for each site. */
export const onEtcd: StartStores = (sites, certified = null) => startStores(sites, certified, false)

/** One etcd over all sites, with one server at each. */
export const onEtcdOverSites: StartStores = (sites, certified = null) => startStores(sites, certified, true)

async function startStores(
  sites: readonly string[],
  certified: Certified | null,
  spansSites: boolean,
): Promise<StoresOfTest> {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-'))
  const ports = await freePorts(sites.length * 2)
  const running = new Map<string, ServerProcess>()
  const servers = sites.map((site, index) => ({
    site,
    clients: ports[index * 2] ?? 0,
    peers: ports[index * 2 + 1] ?? 0,
  }))
  const stores = new Map(
    servers.map((own) => [own.site, storeOf(own, spansSites ? servers : [own], { folder, running, certified })]),
  )
  await Promise.all([...stores.values()].map((store) => store.start()))
  return {
    kind: 'etcd',
    ...(spansSites ? { spansSites } : {}),
    of(site) {
      const store = stores.get(site)
      if (store === undefined) throw new Error(`there is no etcd of ${site}`)
      return store
    },
    killNow() {
      for (const { pid } of running.values()) killNow(pid)
    },
    async stop() {
      await Promise.all([...running.values()].map((server) => server.stop()))
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}

interface Surroundings {
  readonly folder: string
  readonly running: Map<string, ServerProcess>
  readonly certified: Certified | null
}

interface Server {
  readonly site: string
  /** Ports. */
  readonly clients: number
  readonly peers: number
}

/** `all`: the servers that are one store. */
function storeOf(
  { site, clients, peers }: Server,
  all: readonly Server[],
  { folder, running, certified }: Surroundings,
): StoreOfTest {
  const url = `${certified === null ? 'http' : 'https'}://127.0.0.1:${clients}`
  const tls = certified === null ? {} : readCertified(certified)
  const ask = (method: 'GET' | 'POST', path: string, body?: string) =>
    askOverHttp({ method, url: `${url}/${path}`, deadline: 5_000, ...tls, ...(body === undefined ? {} : { body }) })
  const peer = `http://127.0.0.1:${peers}`
  return {
    url,
    configuration: {
      etcd3: {
        hosts: all.map((one) => `127.0.0.1:${one.clients}`),
        ...(certified === null
          ? {}
          : { protocol: 'https', cacert: certified.authority, cert: certified.certificate, key: certified.key }),
      },
    },
    async start() {
      const server = await startServer(
        '/usr/bin/etcd',
        ['--name', site, '--data-dir', join(folder, site), '--listen-client-urls', url, '--advertise-client-urls', url]
          .concat(['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer])
          .concat(['--initial-cluster', all.map((one) => `${one.site}=http://127.0.0.1:${one.peers}`).join()])
          .concat(['--log-level', 'error'])
          .concat(certified === null ? [] : ['--client-cert-auth', '--trusted-ca-file', certified.authority])
          .concat(certified === null ? [] : ['--cert-file', certified.certificate, '--key-file', certified.key]),
        { answers: async () => (await ask('GET', 'health')).status === 200 },
      )
      running.set(site, server)
    },
    async kill() {
      const server = running.get(site)
      if (server === undefined) return
      process.kill(server.pid, 'SIGKILL')
      await server.stop()
      running.delete(site)
    },
    async read(key) {
      const question = JSON.stringify({ key: Buffer.from(`/${key}`).toString('base64') })
      const { body } = await ask('POST', 'v3/kv/range', question)
      const { kvs } = JSON.parse(body) as { kvs?: { value: string }[] }
      return decoded(kvs?.[0]?.value ?? '')
    },
    configIn(request) {
      if (!request.url.startsWith(`${url}/`) || !request.url.endsWith('/kv/txn')) return null
      const { compare, success } = JSON.parse(request.body ?? '') as Transaction
      // What looks only whether it may write compares with no revision.
      if (compare.some(({ mod_revision }) => mod_revision === '0')) return null
      const value = success.find(({ request_put }) => request_put !== undefined)?.request_put?.value
      return value === undefined ? null : (JSON.parse(decoded(value)) as JsonObject)
    },
  }
}

interface Transaction {
  readonly compare: readonly { readonly mod_revision?: string }[]
  readonly success: readonly { readonly request_put?: { readonly value: string } }[]
}
const decoded = (text: string): string => Buffer.from(text, 'base64').toString()
