import { existsSync } from 'node:fs'
import { ensureDaemon, logOf } from '../inside.ts'
import { forgetProcess, recordedProcesses, runningProcess } from '../state.ts'
import { bridge, farEndOf, type HostName, linkOf, namespaceOf } from '../topology.ts'
import { until } from '../until.ts'
import { ip } from './ip.ts'

/** How long the way to a host is. */
export interface Slowness {
  /** Of each packet in each direction, in milliseconds. */
  readonly delay: number
  /** Percent of the packets that are lost, in each direction. */
  readonly loss: number
  /** Chooses what is lost: the same seed loses the same packets of the same traffic. */
  readonly seed: number
  /** The way to this one host is long, and every other one as short as before; null: to all. */
  readonly only: string | null
}

/** A satellite, a bad radio link, or a VPN that is shared by too many. */
export const SLOW: Slowness = { delay: 750, loss: 5, seed: 1, only: null }

/** The wide area network is no host: what befalls a host's processes does not befall it. */
const GROUP = 'wan'
const nameOf = (host: HostName): string => `slow-link-${host}`

/** A TCP segment of its own in each packet, so that one loss is one loss; and the kernel's usual number. */
const SEGMENTS = { one: '1', usual: '65535' } as const

/**
 * Puts a program between the host's link and the bridge that passes each packet on late, and loses some. The kernel of
 * small machines has no netem; this needs TUN alone. A second call replaces the first.
 */
export async function slowLink(host: HostName, program: string, { delay, loss, seed, only }: Slowness): Promise<void> {
  await quickenLink(host)
  const far = farEndOf(host)
  const slowness = [
    `--delay=${delay}ms`,
    `--loss=${loss / 100}`,
    `--seed=${seed}`,
    ...(only === null ? [] : [`--only=${only}`]),
  ]
  await ensureDaemon({
    group: GROUP,
    name: nameOf(host),
    command: [program, `--link=${linkOf(host)}`, `--tap=${far}`, ...slowness],
  })
  const hint = (): string => `Look at ${logOf(GROUP, nameOf(host))}`
  await until(`the slow link of ${host}`, { deadline: 5_000, every: 20, hint }, async () =>
    existsSync(`/sys/class/net/${far}`),
  )
  await ip('link', 'set', linkOf(host), 'nomaster')
  // This machine has a leg in the bridge, and would answer for it past the delay.
  await ip('link', 'set', linkOf(host), 'arp', 'off')
  await ip('-n', namespaceOf(host), 'link', 'set', 'eth0', 'gso_max_segs', SEGMENTS.one)
  await ip('link', 'set', far, 'master', bridge.name, 'up')
}

/** Makes the way as short as it was; of a host whose way is short, nothing is changed. */
export async function quickenLink(host: HostName): Promise<void> {
  if (!isSlow(host)) return
  const pid = runningProcess(GROUP, nameOf(host))?.pid
  if (pid !== undefined) process.kill(pid, 'SIGTERM')
  await until(
    `the slow link of ${host} gone`,
    { deadline: 5_000, every: 20 },
    async () => !existsSync(`/sys/class/net/${farEndOf(host)}`),
  )
  forgetProcess(GROUP, nameOf(host))
  await ip('-n', namespaceOf(host), 'link', 'set', 'eth0', 'gso_max_segs', SEGMENTS.usual)
  await ip('link', 'set', linkOf(host), 'arp', 'on')
  await ip('link', 'set', linkOf(host), 'master', bridge.name)
}

/** True also where the program died by itself: then the host is cut off. */
export const isSlow = (host: HostName): boolean => recordedProcesses(GROUP).includes(nameOf(host))
