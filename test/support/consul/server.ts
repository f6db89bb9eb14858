import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../../lab/until.ts'
import { binary } from '../binaries.ts'
import { needs } from '../needs.ts'
import { freePorts, freeze, killNow, type ServerProcess, startServer } from '../server-process.ts'

needs('consul')

/** One datacenter of real Consul: one server on loopback, which keeps its data over a restart. */
export interface ConsulDatacenter {
  readonly name: string
  /** `http://127.0.0.1:43210` */
  readonly url: string
  /** Starts the server again, with the data that it had. Returns when the datacenter has a leader. */
  start(): Promise<void>
  /** SIGKILL: a power cut. */
  kill(): Promise<void>
  /** SIGSTOP, and SIGCONT: a link that loses everything. */
  freeze(): Promise<void>
  thaw(): void
  said(): string
}
export interface ConsulWorld {
  readonly datacenters: readonly ConsulDatacenter[]
  datacenter(name: string): ConsulDatacenter
  /** Of all rights; empty where ACLs are off. */
  readonly managementToken: string
  /** A call with all rights; throws on a status that is not 200. */
  call(datacenter: string, method: string, path: string, body?: unknown): Promise<unknown>
  /** Makes a token with these rules (HCL); it is known in all datacenters. */
  createToken(rules: string): Promise<string>
  /** At the end of the process. */
  killNow(): void
  stop(): Promise<void>
}

export interface ConsulOptions {
  readonly acl?: boolean
  /** Each server waits for a second one, which never comes. */
  readonly leaderless?: boolean
}

/**
 * Starts Consul with one server for each datacenter; several are joined over the WAN, and the first one is the primary.
 * With `acl` nothing is allowed without a token. Returns when each has a leader, knows all others, and, with `acl`,
 * knows the tokens.
 */
export async function startConsul(
  names: readonly string[] = ['dc-a'],
  { acl = false, leaderless = false }: ConsulOptions = {},
): Promise<ConsulWorld> {
  const program = await binary('consul')
  const folder = mkdtempSync(join(tmpdir(), 'consul-'))
  const managementToken = acl ? randomUUID() : ''
  const ports = await freePorts(names.length * 4)
  const places = names.map((name, index) => ({ name, ports: ports.slice(index * 4, index * 4 + 4) }))
  const authorized = { 'x-consul-token': managementToken }
  const [primary = ''] = names
  const running = new Map<string, ServerProcess>()

  const datacenters = places.map(({ name, ports: [http = 0, lan = 0, wan = 0, rpc = 0] }): ConsulDatacenter => {
    const url = `http://127.0.0.1:${http}`
    const home = join(folder, name)
    const config = {
      datacenter: name,
      primary_datacenter: primary,
      node_name: `server-${name}`,
      server: true,
      bootstrap_expect: leaderless ? 2 : 1,
      bind_addr: '127.0.0.1',
      advertise_addr: '127.0.0.1',
      advertise_addr_wan: '127.0.0.1',
      client_addr: '127.0.0.1',
      data_dir: home,
      ports: { http, serf_lan: lan, serf_wan: wan, server: rpc, dns: -1, grpc: -1, grpc_tls: -1 },
      retry_join_wan: places.filter((one) => one.name !== name).map((one) => `127.0.0.1:${one.ports[2]}`),
      retry_interval_wan: '1s',
      connect: { enabled: true },
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      leave_on_terminate: false,
      log_level: 'warn',
      ...(acl
        ? {
            acl: {
              enabled: true,
              default_policy: 'deny',
              enable_token_replication: true,
              tokens: { initial_management: managementToken, agent: managementToken, replication: managementToken },
            },
          }
        : {}),
    }
    const file = join(folder, `${name}.json`)
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
    const signal = (which: NodeJS.Signals): void => {
      const server = running.get(name)
      if (server !== undefined) process.kill(server.pid, which)
    }
    return {
      name,
      url,
      async start() {
        const server = await startServer(program, ['agent', '-config-file', file], {
          async answers() {
            const leader = await (await fetch(`${url}/v1/status/leader`, { headers: authorized })).json()
            if (leaderless) return leader === ''
            // A leader is elected before it serves.
            return (await fetch(`${url}/v1/kv/none?consistent`, { headers: authorized })).status === 404
          },
        })
        running.set(name, server)
      },
      async kill() {
        signal('SIGKILL')
        await running.get(name)?.stop()
        running.delete(name)
      },
      async freeze() {
        const server = running.get(name)
        if (server !== undefined) await freeze(server.pid)
      },
      thaw: () => signal('SIGCONT'),
      said: () => running.get(name)?.said() ?? '',
    }
  })
  const found = (name: string): ConsulDatacenter => {
    const one = datacenters.find((candidate) => candidate.name === name)
    if (one === undefined) throw new Error(`there is no datacenter ${name}`)
    return one
  }
  const world: ConsulWorld = {
    datacenters,
    datacenter: found,
    managementToken,
    async call(datacenter, method, path, body) {
      const answer = await fetch(`${found(datacenter).url}/v1/${path}`, {
        method,
        headers: authorized,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === '' ? null : (JSON.parse(text) as unknown)
    },
    async createToken(rules) {
      const name = `policy-${randomUUID()}`
      await world.call(primary, 'PUT', 'acl/policy', { Name: name, Rules: rules })
      const token = (await world.call(primary, 'PUT', 'acl/token', { Policies: [{ Name: name }] })) as {
        readonly SecretID: string
      }
      await everywhere('the token to be known', (one) => isKnown(one.url, token.SecretID))
      return token.SecretID
    },
    killNow() {
      for (const { pid } of running.values()) killNow(pid)
    },
    async stop() {
      await Promise.all(datacenters.map((one) => one.kill()))
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
  const everywhere = async (what: string, holds: (one: ConsulDatacenter) => Promise<boolean>): Promise<void> => {
    for (const one of datacenters)
      await until(`${what} in ${one.name}`, { deadline: 30_000, every: 100 }, () => holds(one).catch(() => false))
  }
  try {
    await Promise.all(datacenters.map((one) => one.start()))
    if (acl) await everywhere('the tokens to be known', (one) => isKnown(one.url, managementToken))
    await everywhere('all datacenters to be joined', async ({ name }) => {
      const members = (await world.call(name, 'GET', 'agent/members?wan=1')) as { readonly Status: number }[]
      return members.filter(({ Status }) => Status === 1).length === names.length
    })
    return world
  } catch (error) {
    const words = datacenters.map((one) => `${one.name}: ${one.said().slice(-1_500)}`)
    await world.stop()
    throw new Error(`${String(error)}\n${words.join('\n')}`)
  }
}

const isKnown = async (url: string, token: string): Promise<boolean> =>
  (await fetch(`${url}/v1/acl/token/self`, { headers: { 'x-consul-token': token } })).ok
