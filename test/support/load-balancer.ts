import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ensureDebian } from '../../lab/images/debian.ts'
import { runProcess } from '../../src/clients/process.ts'
import type { SshRunner } from '../../src/clients/ssh.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('debian')

export const MAP = '/etc/haproxy/maps/standby.map'
export const SOCKET = '/run/haproxy/admin.sock'
export const SITES = ['dc-a', 'dc-b'] as const
export type TestSite = (typeof SITES)[number]

export interface LoadBalancerHost {
  /** Through the frontend; answers name their site in `X-Standby-Site`. */
  readonly url: string
  /** Runs a command on the host, as ssh would; fails as ssh does once the host is unplugged. */
  readonly runner: SshRunner
  /** Called before each command of the runner: to break in between. */
  onCommand: (command: string) => void
  unplugged: boolean
  /** A shell command on the host, whatever was unplugged. */
  shell(command: string): string
  /** As `systemctl restart haproxy`. */
  restart(): Promise<void>
  /** As `systemctl reload haproxy`. */
  reload(): Promise<void>
  stop(): Promise<void>
}

/**
 * A real HAProxy on a Debian file system of its own, with the paths of a stock host; the network is this machine's.
 * Needs root.
 */
export async function startLoadBalancerHost(
  backends: Readonly<Record<TestSite, number>>,
  map = 'active be_none\n',
): Promise<LoadBalancerHost> {
  const { tree } = await ensureDebian(() => undefined, AbortSignal.timeout(600_000))
  const home = mkdtempSync(join(tmpdir(), 'standby-haproxy-'))
  const [port = 0] = await freePorts(1)
  for (const folder of ['root', 'work', 'upper/etc/haproxy/maps'])
    mkdirSync(join(home, folder), { recursive: true, mode: 0o755 })
  writeFileSync(join(home, 'upper', MAP), map, { mode: 0o640 })
  writeFileSync(join(home, 'upper/etc/haproxy/haproxy.cfg'), configuration(port, backends))
  const script = [
    'set -e',
    `mount -t overlay overlay -o "lowerdir=${tree},upperdir=$1/upper,workdir=$1/work" "$1/root"`,
    'mount --bind /dev "$1/root/dev"',
    'mount -t proc proc "$1/root/proc"',
    'mount -t tmpfs tmpfs "$1/root/run"',
    'mkdir /"$1"/root/run/haproxy',
    'exec chroot "$1/root" sh -c "$2"',
  ].join('\n')
  // A HAProxy that ends comes back, as under a service manager; the host ends with its HAProxy.
  const init = `trap 'kill $!; wait; exit 0' TERM
    while :; do haproxy -W -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid -S /run/haproxy/master.sock & wait $!; sleep 0.1; done`
  const server = await startServer(
    'unshare',
    ['--mount', '--propagation', 'private', 'bash', '-c', script, 'host', home, init],
    {
      answers: async () => (await fetch(`http://127.0.0.1:${port}`)).status > 0,
    },
  )
  const inside = ['-t', String(server.pid), '--mount', '--root', '--wdns=/', '--', 'sh', '-c']
  const shell = (command: string): string =>
    execFileSync('nsenter', [...inside, command], { encoding: 'utf8', timeout: 10_000, stdio: 'pipe' })
  /** The worker's process id, once it answers; null while HAProxy comes back. */
  const worker = async (): Promise<string | null> => {
    try {
      await fetch(`http://127.0.0.1:${port}`)
      return (
        /^(\d+)\s+worker/m.exec(shell("echo 'show proc' | socat - UNIX-CONNECT:/run/haproxy/master.sock"))?.[1] ?? null
      )
    } catch {
      return null
    }
  }
  const replaceWorker = async (command: string): Promise<void> => {
    const before = await worker()
    shell(command)
    for (const end = Date.now() + 10_000; ; await pause(50)) {
      const now = await worker()
      if (now !== null && now !== before) return
      if (Date.now() > end) throw new Error(`haproxy does not come back: ${server.said()}`)
    }
  }
  const host: LoadBalancerHost = {
    url: `http://127.0.0.1:${port}/`,
    onCommand: () => undefined,
    unplugged: false,
    runner: {
      async run(command, stdin = '', deadline = 10_000) {
        if (host.unplugged)
          throw siteError('ssh-unreachable', 'the host does not answer: Connection refused', { retry: 'transient' })
        host.onCommand(command)
        return runProcess('nsenter', [...inside, command], { deadline, input: stdin })
      },
      close: async () => undefined,
    },
    shell,
    restart: () => replaceWorker('kill $(cat /run/haproxy.pid)'),
    reload: () => replaceWorker('echo reload | socat - UNIX-CONNECT:/run/haproxy/master.sock'),
    stop: async () => {
      await server.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
  return host
}

export interface Origin {
  readonly port: number
  /** Requests that were answered. */
  answered(): number
  close(): void
}

/** What stands behind a backend: answers `/`, and never ends an answer to `/slow`. */
export async function startOrigin(): Promise<Origin> {
  let answered = 0
  const server = createServer((request, response) => {
    if (request.url === '/slow') {
      response.write('begun')
      return
    }
    answered++
    response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    answered: () => answered,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const configuration = (port: number, backends: Readonly<Record<TestSite, number>>): string => `global
  stats socket ${SOCKET} mode 660 level admin
defaults
  mode http
  timeout connect 1s
  timeout check 5s
  timeout client 30s
  timeout server 30s
frontend application
  bind 127.0.0.1:${port}
  use_backend %[str(active),map(${MAP},be_none)]
${SITES.map(
  (site) => `backend ${site}
  option httpchk GET /
  default-server check inter 200ms fall 2 rise 1
  http-response set-header X-Standby-Site ${site}
  server ${site}-1 127.0.0.1:${backends[site]}`,
).join('\n')}
`
