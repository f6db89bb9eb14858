import { execFile, spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from '../../lab/until.ts'
import type { RedisSentinelSpec } from '../../src/drivers/redis-sentinel/spec.ts'
import { certifiedBy } from './authority.ts'
import { needs } from './needs.ts'
import { freePorts } from './server-process.ts'

needs('linux', 'redis-server', 'redis-cli')

const run = promisify(execFile)

export const GROUP = 'mymaster'
/** Of the user that Standby logs in as, with the rights that docs/drivers/redis-sentinel.md names, and no key. */
export const REDIS_LOGIN = { user: 'standby', password: 'of redis, with "quotes"' } as const
const RIGHTS = '+info +config|get +config|set +config|rewrite +replicaof +echo +role'
/**
 * Of the user that replicas, Sentinels and applications log in as. Without a blank: Sentinel writes auth-pass to its
 * file without quotes, and then does not start again (7.0.15).
 */
export const SERVERS_LOGIN = { user: 'servers', password: 'of-the-servers' } as const
/** Of the user that Standby logs in as where Sentinels have accounts, with the rights that the page names. */
export const SENTINEL_LOGIN = { user: 'standby', rights: '+sentinel +ping' } as const
export const SENTINEL_PASSWORD = 'of-the-sentinels'
/** Sentinel takes a server for down after this: ms. */
const DOWN_AFTER = 3_000

/** One Redis or one Sentinel: its machine is this one. */
export interface SentinelNode {
  readonly name: string
  readonly port: number
  readonly address: string
  readonly configFile: string
  start(): void
  /** SIGKILL: a power cut. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT: a machine that hangs. */
  freeze(frozen: boolean): void
  /** `redis-cli` with these arguments; its words on standard output. */
  command(...words: string[]): Promise<string>
  isMaster(): Promise<boolean>
  log(): string
}
export interface SentinelWorld {
  readonly spec: Pick<RedisSentinelSpec, 'group' | 'control' | 'tls' | 'sites'>
  /** The name or the address of every server. */
  readonly host: string
  readonly redis: Readonly<Record<string, SentinelNode>>
  readonly sentinels: Readonly<Record<string, SentinelNode>>
  node(name: string): SentinelNode
  nodesOf(site: string): readonly SentinelNode[]
  /** A command line on a machine, as ssh would run it. */
  on(
    command: string,
    options?: { readonly stdin?: string; readonly timeout?: number },
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>
  stop(): Promise<void>
}

export interface SentinelOptions {
  /**
   * TLS for clients, replication and Sentinels, by an authority of its own: each client shows a certificate. Sentinels
   * then have accounts too.
   */
  readonly tls?: boolean
  /** Servers announce and know each other by a name, and by no address. */
  readonly hostnames?: boolean
}

/**
 * Starts one replication group over sites on loopback: so many Redis servers and one Sentinel for each. The first
 * Redis of the first site is the master. Returns when every Sentinel knows every replica, and reaches a quorum.
 */
export async function startSentinels(
  wanted: Readonly<Record<string, number>>,
  { tls = false, hostnames = false }: SentinelOptions = {},
): Promise<SentinelWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'sen-'))
  const certified = tls ? certifiedBy(join(folder, 'tls'), ['IP:127.0.0.1', 'DNS:localhost']) : null
  const host = hostnames ? 'localhost' : '127.0.0.1'
  // A name may lead to several addresses.
  const bound = [...new Set((await lookup(host, { all: true })).map(({ address }) => address))].join(' ')
  const listening = (port: number): string[] =>
    certified === null
      ? [`port ${port}`]
      : [
          ...['port 0', `tls-port ${port}`, 'tls-replication yes', `tls-ca-cert-file ${certified.authority}`],
          ...[`tls-cert-file ${certified.certificate}`, `tls-key-file ${certified.key}`],
        ]
  const total = Object.values(wanted).reduce((sum, count) => sum + count + 1, 0)
  const ports = await freePorts(total)
  const control = join(folder, 'control')
  writeFileSync(control, controlProgram(folder), { mode: 0o755 })
  const nodes = new Map<string, { readonly node: SentinelNode; readonly site: string; readonly kind: string }>()

  function nodeOf(site: string, kind: 'redis' | 'sentinel', name: string, lines: readonly string[]): SentinelNode {
    const port = ports.pop() ?? 0
    const home = join(folder, name)
    const configFile = join(home, `${kind}.conf`)
    mkdirSync(home)
    const own = [...listening(port), `bind ${bound}`, 'protected-mode no', `dir ${home}`, ...lines]
    writeFileSync(configFile, `${own.join('\n')}\n`)
    const login =
      kind === 'redis'
        ? { args: ['--user', SERVERS_LOGIN.user], password: SERVERS_LOGIN.password }
        : { args: tls ? ['--user', SENTINEL_LOGIN.user] : [], password: SENTINEL_PASSWORD }
    const command = async (...words: string[]): Promise<string> => {
      const env = { ...process.env, REDISCLI_AUTH: login.password }
      const secured =
        certified === null
          ? []
          : ['--tls', '--cacert', certified.authority, '--cert', certified.certificate, '--key', certified.key]
      const args = ['-h', host, '-p', String(port), ...secured, ...login.args, ...words]
      return (await run('redis-cli', args, { timeout: 10_000, env })).stdout.trim()
    }
    const signal = (which: NodeJS.Signals): void => {
      const pid = pidIn(home)
      if (pid !== null) process.kill(pid, which)
    }
    const node: SentinelNode = {
      name,
      port,
      address: `${host}:${port}`,
      configFile,
      start() {
        const log = openSync(join(home, 'log'), 'a')
        const args = kind === 'redis' ? [configFile] : [configFile, '--sentinel']
        const child = spawn('redis-server', args, { cwd: home, stdio: ['ignore', log, log] })
        closeSync(log)
        writeFileSync(join(home, 'pid'), `${child.pid}`)
      },
      async kill() {
        signal('SIGKILL')
        await until(`${name} to be dead`, { deadline: 5_000, every: 20 }, async () => pidIn(home) === null)
      },
      freeze: (frozen) => signal(frozen ? 'SIGSTOP' : 'SIGCONT'),
      command,
      isMaster: async () => (await command('ROLE').catch(() => '')).startsWith('master'),
      log: () => readFileSync(join(home, 'log'), 'utf8'),
    }
    nodes.set(name, { node, site, kind })
    return node
  }

  const names = Object.keys(wanted)
  const [active = ''] = names
  const word = (text: string): string => JSON.stringify(text)
  let master: SentinelNode | null = null
  for (const site of names)
    for (let index = 1; index <= (wanted[site] ?? 0); index++) {
      const node: SentinelNode = nodeOf(site, 'redis', `cache-${site.at(-1)}${index}`, [
        'save ""',
        'appendonly yes',
        'appendfsync no',
        'repl-diskless-sync-delay 0',
        `replica-announce-ip ${host}`,
        `replica-priority ${site === active ? index * 10 : 0}`,
        'user default off',
        `user ${REDIS_LOGIN.user} on ${word(`>${REDIS_LOGIN.password}`)} ${RIGHTS}`,
        `user ${SERVERS_LOGIN.user} on ${word(`>${SERVERS_LOGIN.password}`)} ~* &* +@all`,
        `masteruser ${SERVERS_LOGIN.user}`,
        `masterauth ${word(SERVERS_LOGIN.password)}`,
        ...(master === null ? [] : [`replicaof ${host} ${master.port}`]),
      ])
      master ??= node
    }
  for (const site of names)
    nodeOf(site, 'sentinel', `sentinel-${site.at(-1)}`, [
      ...(tls
        ? [
            'user default off',
            `user ${SENTINEL_LOGIN.user} on ${word(`>${SENTINEL_PASSWORD}`)} ${SENTINEL_LOGIN.rights}`,
            `user sentinels on ${word(`>${SENTINEL_PASSWORD}`)} &* +@all`,
            'sentinel sentinel-user sentinels',
          ]
        : [`requirepass ${word(SENTINEL_PASSWORD)}`]),
      `sentinel sentinel-pass ${word(SENTINEL_PASSWORD)}`,
      ...(hostnames ? ['sentinel resolve-hostnames yes', 'sentinel announce-hostnames yes'] : []),
      `sentinel announce-ip ${host}`,
      `sentinel monitor ${GROUP} ${host} ${master?.port} ${Math.floor(names.length / 2) + 1}`,
      `sentinel auth-user ${GROUP} ${SERVERS_LOGIN.user}`,
      `sentinel auth-pass ${GROUP} ${word(SERVERS_LOGIN.password)}`,
      `sentinel down-after-milliseconds ${GROUP} ${DOWN_AFTER}`,
      `sentinel failover-timeout ${GROUP} 20000`,
    ])

  const pids = (): number[] => [...nodes.keys()].flatMap((name) => pidIn(join(folder, name)) ?? [])
  function killAll(): void {
    for (const pid of pids()) process.kill(pid, 'SIGKILL')
  }
  process.once('exit', killAll)
  const ofKind = (kind: string): Record<string, SentinelNode> =>
    Object.fromEntries([...nodes].filter(([, one]) => one.kind === kind).map(([name, { node }]) => [name, node]))
  const world: SentinelWorld = {
    spec: {
      group: GROUP,
      control,
      ...(certified === null ? {} : { tls: { ...certified } }),
      sites: Object.fromEntries(
        names.map((site) => [
          site,
          {
            redis: placesOf(site, 'redis', (index, { name, configFile }) => ({
              priority: (index + 1) * 10,
              configFile,
              unit: name,
            })),
            sentinels: placesOf(site, 'sentinel', () => ({})),
          },
        ]),
      ),
    },
    host,
    redis: ofKind('redis'),
    sentinels: ofKind('sentinel'),
    node(name) {
      const found = nodes.get(name)?.node
      if (found === undefined) throw new Error(`there is no ${name}`)
      return found
    },
    nodesOf: (site) => [...nodes.values()].filter((one) => one.site === site).map(({ node }) => node),
    on: (command, { stdin = '', timeout = 60_000 } = {}) =>
      new Promise((resolve) => {
        const child = execFile('sh', ['-c', command], { timeout }, (error, stdout, stderr) => {
          const code = error === null ? 0 : error.code
          resolve({ code: typeof code === 'number' ? code : 255, stdout, stderr })
        })
        // A shell that ends before it has read everything.
        child.stdin?.on('error', () => undefined)
        child.stdin?.end(stdin)
      }),
    async stop() {
      killAll()
      process.off('exit', killAll)
      await until('all servers to be dead', { deadline: 5_000, every: 20 }, async () => pids().length === 0)
      rmSync(folder, { recursive: true, force: true })
    },
  }
  function placesOf<More>(site: string, kind: string, more: (index: number, node: SentinelNode) => More) {
    const all = [...nodes.values()].filter((one) => one.site === site && one.kind === kind)
    return Object.fromEntries(
      all.map(({ node }, index) => [node.name, { host: 'db-1', address: node.address, ...more(index, node) }]),
    )
  }
  try {
    for (const { node } of nodes.values()) node.start()
    await settled(world)
    return world
  } catch (error) {
    const logs = [...nodes.values()].map(({ node }) => `${node.name}: ${node.log().slice(-800)}`)
    await world.stop()
    throw new Error(`${String(error)}\n${logs.join('\n')}`)
  }
}

/**
 * Until every Sentinel knows every replica as connected, and reaches a quorum. Sentinels ask for replicas each 10 s.
 */
export async function settled(world: SentinelWorld): Promise<void> {
  const replicas = Object.keys(world.redis).length - 1
  for (const sentinel of Object.values(world.sentinels))
    await until(`${sentinel.name} to know the group`, { deadline: 60_000, every: 250 }, async () => {
      const [quorum, known] = await Promise.all([
        sentinel.command('SENTINEL', 'CKQUORUM', GROUP).catch(() => ''),
        sentinel.command('SENTINEL', 'REPLICAS', GROUP).catch(() => ''),
      ])
      return quorum.startsWith('OK') && (known.match(/^master-link-status\nok$/gm)?.length ?? 0) === replicas
    })
}

/** The process of a folder: it works in it. Null where none lives. */
function pidIn(home: string): number | null {
  try {
    const pid = Number(readFileSync(join(home, 'pid'), 'utf8'))
    return readlinkSync(`/proc/${pid}/cwd`) === home ? pid : null
  } catch {
    return null
  }
}

/** As little of systemctl as the driver uses. The name of a unit is that of its Redis. */
const controlProgram = (folder: string): string => `#!/bin/sh
# enable --now UNIT | is-active UNIT
for unit; do :; done
home=${folder}/$unit
case "$1" in
  is-active)
    [ "$(readlink "/proc/$(cat "$home/pid")/cwd")" = "$home" ] && echo active || { echo inactive; exit 3; }
    ;;
  enable)
    cd "$home" || exit 1
    setsid redis-server redis.conf >>log 2>&1 </dev/null &
    echo $! >pid
    ;;
esac
`
