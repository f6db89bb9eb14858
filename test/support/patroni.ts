import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { until } from '../../lab/until.ts'
import { askOverHttp, type HttpAnswer } from '../../src/clients/http-question.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { type Certified, certifiedBy, readCertified } from './authority.ts'
import { startWriter, type Writer } from './database-writer.ts'
import { needs } from './needs.ts'
import { ensurePatroni } from './patroni-programs.ts'
import type { StartStores, StoreOfTest } from './patroni-store.ts'
import { PROGRAMS } from './postgres.ts'
import { freePorts, killNow } from './server-process.ts'

needs('postgresql-15', 'patroni')

const run = promisify(execFile)

export const SCOPE = 'app'
export const LOGIN = { user: 'patroni', password: 'asks-patroni' } as const
/** Of the superuser, of replication and of pg_rewind. */
const PASSWORD = 'of-postgres'
/** As quick as Patroni allows: a lock that is lost ends after 20 s. */
const TIMES = { ttl: 20, loop_wait: 5, retry_timeout: 5 }

/** One member: its machine is this one, and its unit a program of this folder. */
export interface PatroniNode {
  readonly name: string
  readonly restPort: number
  readonly port: number
  readonly folder: string
  readonly data: string
  /** Patroni by the program that stands for systemctl. */
  start(): Promise<void>
  stop(): Promise<void>
  /** SIGKILL of Patroni, PostgreSQL and all their processes at once. */
  kill(): void
  status(): Promise<JsonObject | null>
  sql(statement: string, database?: string): Promise<string>
  log(): string
}
export interface PatroniSiteOfTest {
  readonly name: string
  readonly store: StoreOfTest
  readonly nodes: readonly PatroniNode[]
  node(name: string): PatroniNode
  /** Kills everything of the site at once, the store included: a power cut. */
  kill(): Promise<void>
  /** The dynamic configuration as it lies in the store. */
  config(): Promise<JsonObject>
  cluster(): Promise<JsonObject | null>
}
export interface PatroniWorld {
  readonly folder: string
  /** Of all its servers; null: they have no TLS. */
  readonly certified: Certified | null
  /** `kind` of the store in the stack file. */
  readonly storeKind: 'etcd' | 'consul'
  /** Whether one cluster spans the sites. */
  readonly spansSites: boolean
  /** Stands for systemctl on every host: `control enable --now patroni`. */
  readonly control: string
  readonly sites: readonly PatroniSiteOfTest[]
  site(name: string): PatroniSiteOfTest
  /** A command line on the machine of a member, as ssh would run it. */
  on(
    node: string,
    command: string,
    options?: { readonly stdin?: string; readonly timeout?: number },
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>
  stop(): Promise<void>
}

/** Patroni runs as the user of PostgreSQL, and reads its programs from a home that is root's alone. */
const AS_POSTGRES =
  'setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search'

/**
 * Starts a store and a Patroni cluster for each site on loopback, of so many members each. The first site is the active
 * one; the others are its standby clusters, or, where one store spans them, sites of one cluster. Returns when every
 * member runs, and every standby leader streams.
 */
export async function startPatroni(
  startStores: StartStores,
  wanted: Readonly<Record<string, readonly string[]>>,
  dynamic: JsonObject = {},
  { tls = false }: { readonly tls?: boolean } = {},
): Promise<PatroniWorld> {
  const patroni = await ensurePatroni()
  const folder = mkdtempSync(join(tmpdir(), 'pat-'))
  await chmod(folder, 0o755)
  // Of store and members, and of those who ask them: nothing is answered without it.
  const certified = tls ? certifiedBy(join(folder, 'tls'), ['IP:127.0.0.1']) : null
  if (certified !== null) await chmod(certified.key, 0o644)
  const scheme = certified === null ? 'http' : 'https'
  const shown = certified === null ? {} : readCertified(certified)
  const get = (url: string) => askOverHttp({ method: 'GET', url, deadline: 5_000, ...shown })
  mkdirSync(join(folder, 'evidence'))
  execFileSync('chown', ['postgres:postgres', join(folder, 'evidence')])
  const names = Object.keys(wanted)
  const all = Object.values(wanted).flat()
  const ports = await freePorts(all.length * 2)
  const port = (): number => ports.pop() ?? 0
  const places = new Map(all.map((name) => [name, { restPort: port(), port: port() }]))
  const placeOf = (name: string) => places.get(name) ?? { restPort: 0, port: 0 }
  const control = join(folder, 'control')
  writeFileSync(control, controlProgram(folder, patroni.join(' ')), { mode: 0o755 })
  const slots = Object.fromEntries(
    names.map((name) => [name.replaceAll('-', '_'), { type: 'physical', cluster_type: 'primary' }]),
  )
  const sites: PatroniSiteOfTest[] = []
  const stores = await startStores(names, certified)
  const everyNode = (): readonly PatroniNode[] => sites.flatMap(({ nodes }) => nodes)

  function siteOf(name: string, members: readonly string[], follows: string | null): PatroniSiteOfTest {
    const store = stores.of(name)
    const upstream = follows === null ? [] : (wanted[follows] ?? []).map((one) => placeOf(one).port)
    const dcs: JsonObject = {
      ...TIMES,
      ...(stores.spansSites ? {} : { slots }),
      ...dynamic,
      postgresql: {
        use_pg_rewind: true,
        parameters: { wal_log_hints: 'on', max_connections: 40, max_slot_wal_keep_size: '256MB' },
      },
      ...(follows === null
        ? {}
        : {
            standby_cluster: {
              host: upstream.map(() => '127.0.0.1').join(','),
              port: upstream.join(','),
              primary_slot_name: name.replaceAll('-', '_'),
              create_replica_methods: ['basebackup'],
            },
          }),
    }
    const nodes = members.map((member) => nodeOf(member, store, dcs))
    return {
      name,
      store,
      nodes,
      node: (wantedNode) => found(nodes, wantedNode),
      async kill() {
        for (const node of nodes) node.kill()
        await store.kill()
        await until(`${name} to be dead`, { deadline: 10_000, every: 100 }, async () =>
          nodes.every((node) => processesOf(node).length === 0),
        )
      },
      async config() {
        return JSON.parse(await store.read(`service/${SCOPE}/config`)) as JsonObject
      },
      async cluster() {
        for (const { restPort } of nodes) {
          const seen = await asked(`${scheme}://127.0.0.1:${restPort}/cluster`, get)
          if (seen !== null) return seen
        }
        return null
      },
    }
  }

  function nodeOf(name: string, store: StoreOfTest, dcs: JsonObject): PatroniNode {
    const { restPort, port: own } = placeOf(name)
    const home = join(folder, name)
    const data = join(home, 'data')
    mkdirSync(home, { mode: 0o755 })
    execFileSync('chown', ['postgres:postgres', home])
    const address = (where: number): string => `127.0.0.1:${where}`
    const user = (username: string): JsonObject => ({ username, password: PASSWORD })
    // Every JSON text is YAML.
    const file: JsonObject = {
      scope: SCOPE,
      name,
      log: { level: 'INFO' },
      restapi: {
        listen: address(restPort),
        connect_address: address(restPort),
        authentication: { username: LOGIN.user, password: LOGIN.password },
        ...(certified === null
          ? {}
          : {
              cafile: certified.authority,
              certfile: certified.certificate,
              keyfile: certified.key,
              verify_client: 'required',
            }),
      },
      ...store.configuration,
      bootstrap: { dcs, initdb: [{ encoding: 'UTF8' }, 'data-checksums', 'no-sync'] },
      postgresql: {
        listen: address(own),
        connect_address: address(own),
        data_dir: data,
        bin_dir: PROGRAMS,
        pgpass: join(home, 'pgpass'),
        authentication: { superuser: user('postgres'), replication: user('replicator'), rewind: user('rewinder') },
        pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
        // A killed process loses nothing that was handed to the kernel.
        parameters: {
          unix_socket_directories: home,
          fsync: 'off',
          shared_buffers: '16MB',
          log_line_prefix: '%m [%p] ',
        },
      },
    }
    writeFileSync(join(home, 'patroni.yml'), JSON.stringify(file, null, 2), { mode: 0o644 })
    const node: PatroniNode = {
      name,
      restPort,
      port: own,
      folder: home,
      data,
      start: async () => void (await controlled('enable', name)),
      stop: async () => void (await controlled('disable', name)),
      kill() {
        for (const pid of processesOf(node)) killNow(pid)
        // What was forked meanwhile.
        for (const pid of processesOf(node)) killNow(pid)
      },
      status: () => asked(`${scheme}://${address(restPort)}/patroni`, get),
      sql: (statement, database = 'postgres') => ask(own, statement, database),
      log: () => (existsSync(join(home, 'log')) ? readFileSync(join(home, 'log'), 'utf8') : ''),
    }
    return node
  }
  const followedBy = (name: string, active: string | undefined): string | null =>
    stores.spansSites || name === active ? null : (active ?? null)
  const controlled = (verb: 'enable' | 'disable', member: string) =>
    run(control, [verb, '--now', 'patroni'], { timeout: 100_000, env: { ...process.env, MEMBER: member } })

  function killAll(): void {
    for (const node of everyNode()) node.kill()
    stores.killNow()
  }
  process.once('exit', killAll)

  const world: PatroniWorld = {
    folder,
    certified,
    storeKind: stores.kind,
    spansSites: stores.spansSites === true,
    control,
    sites,
    site: (name) => found(sites, name),
    on: (node, command, { stdin = '', timeout = 60_000 } = {}) =>
      new Promise((resolve) => {
        const env = { ...process.env, MEMBER: node }
        const child = execFile(
          'sh',
          ['-c', command],
          { env, timeout, maxBuffer: 256 * 1024 * 1024 },
          (error, stdout, stderr) => {
            const code = error === null ? 0 : error.code
            resolve({ code: typeof code === 'number' ? code : 255, stdout, stderr })
          },
        )
        // A command that reads nothing may have ended before.
        child.stdin?.on('error', () => undefined).end(stdin)
      }),
    async stop() {
      killAll()
      process.off('exit', killAll)
      await stores.stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
  try {
    const [active] = names
    for (const name of names) sites.push(siteOf(name, wanted[name] ?? [], followedBy(name, active)))
    const firsts = sites.flatMap((site, index) => (stores.spansSites && index > 0 ? [] : site.nodes.slice(0, 1)))
    for (const first of firsts) {
      await first.start()
      await until(`${first.name} to lead`, { deadline: 90_000, every: 200 }, async () => leads(await first.status()))
    }
    const others = everyNode().filter((node) => !firsts.includes(node))
    await Promise.all(others.map((node) => node.start()))
    for (const node of everyNode())
      await until(`${node.name} to run`, { deadline: 90_000, every: 200 }, async () => runs(await node.status()))
    return world
  } catch (error) {
    const logs = everyNode().map((node) => `${node.name}: ${node.log().slice(-1_500)}`)
    await world.stop()
    throw new Error(`${String(error)}\n${logs.join('\n')}`)
  }
}

const leads = (status: JsonObject | null | undefined): boolean =>
  (status?.role === 'primary' && status.state === 'running') ||
  (status?.role === 'standby_leader' && status.replication_state === 'streaming')
const runs = (status: JsonObject | null): boolean =>
  leads(status) || (status?.role === 'replica' && status.replication_state === 'streaming')

function found<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const one = all.find((candidate) => candidate.name === name)
  if (one === undefined) throw new Error(`there is no ${name}`)
  return one
}

async function asked(url: string, get: (url: string) => Promise<HttpAnswer>): Promise<JsonObject | null> {
  try {
    return JSON.parse((await get(url)).body) as JsonObject
  } catch {
    return null
  }
}

async function ask(port: number, statement: string, database: string): Promise<string> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement)
    return rows.map((row) => Object.values(row).join('|')).join('\n')
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Patroni by its pid file, the postmaster by its own, and all that they have started. */
function processesOf({ folder, data }: PatroniNode): number[] {
  const first = [join(folder, 'pid'), join(data, 'postmaster.pid')].flatMap((file) => {
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0
    return pid > 1 && belongsTo(pid, folder) ? [pid] : []
  })
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name): [number, number] => [Number(name), parentOf(Number(name))]),
  )
  const own = new Set(first)
  for (let grown = true; grown; ) {
    const more = [...parents].filter(([pid, parent]) => own.has(parent) && !own.has(pid)).map(([pid]) => pid)
    for (const pid of more) own.add(pid)
    grown = more.length > 0
  }
  return [...own].sort((a, b) => a - b)
}

/** A pid of a file may be another process by now: ours names its folder in its command line, or works in it. */
function belongsTo(pid: number, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder) && !isDead(pid)
  } catch {
    return false
  }
}
const statOf = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return ['X', '0']
  }
}
const parentOf = (pid: number): number => Number(statOf(pid)[1])
const isDead = (pid: number): boolean => ['Z', 'X'].includes(statOf(pid)[0] ?? 'X')

/** As little of systemctl as the driver uses. Which member it is about, the environment says. */
const controlProgram = (folder: string, patroni: string): string => `#!/bin/bash
# enable --now UNIT | disable --now UNIT | is-active UNIT | is-enabled UNIT
home=${folder}/$MEMBER
runs() { [ -s "$home/pid" ] && grep -qs "$home" "/proc/$(cat "$home/pid")/cmdline" && ! grep -q '^State:.Z' "/proc/$(cat "$home/pid")/status"; }
case "$1" in
  enable)
    runs && exit 0
    setsid ${AS_POSTGRES} ${patroni} "$home/patroni.yml" >>"$home/log" 2>&1 </dev/null &
    echo $! >"$home/pid"
    touch "$home/enabled"
    ;;
  disable)
    rm -f "$home/enabled"
    runs || exit 0
    kill -TERM "$(cat "$home/pid")"
    for _ in $(seq 900); do runs || exit 0; sleep 0.1; done
    exit 1
    ;;
  is-active)
    if runs; then echo active; else echo inactive; exit 3; fi
    ;;
  is-enabled)
    if [ -e "$home/enabled" ]; then echo enabled; else echo disabled; exit 1; fi
    ;;
esac
`

/** Writes into the table `ledger`, at whichever of these members accepts writes. */
export const writeLedger = (nodes: readonly Pick<PatroniNode, 'port'>[]): Writer =>
  startWriter({
    addresses: nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
    user: 'postgres',
    password: PASSWORD,
    database: 'postgres',
    intervalMs: 10,
  })
