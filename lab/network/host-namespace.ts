import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { execute } from '../execute.ts'
import { addressOf, bridge, type HostName, linkOf, namespaceOf, podBridge } from '../topology.ts'
import { ip } from './ip.ts'

/** The file that names a host's network namespace. */
export const namespacePath = (host: HostName) => `/run/netns/${namespaceOf(host)}`

/** Creates the bridge between the hosts, the lab's wide area network. */
export async function ensureBridge(): Promise<void> {
  if (!existsSync(`/sys/class/net/${bridge.name}`))
    await ip('link', 'add', bridge.name, 'address', bridge.hardwareAddress, 'type', 'bridge')
  await ip('addr', 'replace', `${bridge.address}/${bridge.prefixLength}`, 'dev', bridge.name)
  await ip('link', 'set', bridge.name, 'up')
  await letBridgedPacketsPass()
}

/** Creates a host's namespace with one link to the bridge; a half-made one is completed. */
export async function ensureNamespace(host: HostName): Promise<void> {
  const name = namespaceOf(host)
  const link = linkOf(host)
  if (!existsSync(namespacePath(host))) await ip('netns', 'add', name)
  if (!existsSync(`/sys/class/net/${link}`))
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  await ip('link', 'set', link, 'master', bridge.name, 'up')
  await ip('-n', name, 'link', 'set', 'lo', 'up')
  await ip('-n', name, 'addr', 'replace', `${addressOf[host]}/${bridge.prefixLength}`, 'dev', 'eth0')
  await ip('-n', name, 'link', 'set', 'eth0', 'up')
  await ip('-n', name, 'route', 'replace', 'default', 'via', bridge.address)
}

/** What kube-proxy and the pod bridge need inside a site. */
export async function letSiteForward(host: HostName): Promise<void> {
  await ensurePodBridge(host)
  const settings = ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.route_localnet=1']
  await execute('nsenter', [`--net=${namespacePath(host)}`, 'sysctl', '-qw', ...settings])
  // Only where the bridge netfilter exists; without it a pod that reaches itself through its Service fails, nothing
  // else.
  if (existsSync('/proc/sys/net/bridge')) {
    await execute('nsenter', [`--net=${namespacePath(host)}`, 'sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1'])
  }
}

/**
 * The bridge gets an address of its own before any pod does. The CNI plugin would give it the one of a pod's link, and
 * a later one where pods start side by side, as after a power failure: a pod that has learnt the first one then
 * loses its gateway for 50 s when that other pod goes (seen).
 */
async function ensurePodBridge(host: HostName): Promise<void> {
  const name = namespaceOf(host)
  const links: { ifname: string }[] = JSON.parse(await ip('-n', name, '-json', 'link', 'show'))
  const isThere = links.some(({ ifname }) => ifname === podBridge.name)
  await ip(
    '-n',
    name,
    'link',
    isThere ? 'set' : 'add',
    'dev',
    podBridge.name,
    'address',
    podBridge.hardwareAddress,
    ...(isThere ? [] : ['type', 'bridge']),
  )
}

/** Packets to and from the host vanish; nothing inside notices. */
export const cutLink = (host: HostName) => ip('link', 'set', linkOf(host), 'down')
export const joinLink = (host: HostName) => ip('link', 'set', linkOf(host), 'up')

/** Two megabytes a second: little more than the segments of 16 MB that a primary fills up every ten seconds. */
const NARROW = ['tbf', 'rate', '16mbit', 'burst', '128kbit', 'latency', '500ms']

/** Narrows the host's link in both directions, without cutting anything. */
export async function narrowLink(host: HostName): Promise<void> {
  await tc('qdisc', 'replace', 'dev', linkOf(host), 'root', ...NARROW)
  await tc('-n', namespaceOf(host), 'qdisc', 'replace', 'dev', 'eth0', 'root', ...NARROW)
}

export async function widenLink(host: HostName): Promise<void> {
  // A link that was never narrow has nothing to remove.
  await tc('qdisc', 'del', 'dev', linkOf(host), 'root').catch(() => '')
  await tc('-n', namespaceOf(host), 'qdisc', 'del', 'dev', 'eth0', 'root').catch(() => '')
}

/** True when the host's side of the link is administratively up. */
export async function linkIsUp(host: HostName): Promise<boolean> {
  const text = await ip('-json', 'link', 'show', 'dev', linkOf(host))
  const links: { flags: string[] }[] = JSON.parse(text)
  return links[0]?.flags.includes('UP') ?? false
}

/** Removes every namespace and link that carries the lab's names, also those of a lab that crashed. */
export async function removeNetwork(): Promise<void> {
  await Promise.all((await ownNamespaces()).map((name) => ip('netns', 'del', name)))
  // A link usually went with its namespace.
  for (const link of await ownLinks()) await ip('link', 'del', link).catch(() => '')
  await execute('iptables', ['-D', ...passRule]).catch(() => '')
  if (existsSync(`/sys/class/net/${bridge.name}`)) await ip('link', 'del', bridge.name)
}

/** What of the lab's network the machine still has. */
export async function networkLeftovers(): Promise<string[]> {
  const rules = await execute('iptables', ['-S', 'FORWARD']).catch(() => '')
  return [
    ...(await ownNamespaces()).map((name) => `network namespace ${name}`),
    ...(await ownLinks()).map((name) => `link ${name}`),
    ...(existsSync(`/sys/class/net/${bridge.name}`) ? [`link ${bridge.name}`] : []),
    ...(rules.includes('standby-lab') ? ['iptables rule standby-lab'] : []),
  ]
}

const ownNamespaces = async () =>
  (await readdir('/run/netns').catch(() => [])).filter((name) => name.startsWith('standby-'))
const ownLinks = async () => (await readdir('/sys/class/net')).filter((name) => name.startsWith('sb-'))

const passRule = [
  'FORWARD',
  '-i',
  bridge.name,
  '-o',
  bridge.name,
  '-m',
  'comment',
  '--comment',
  'standby-lab',
  '-j',
  'ACCEPT',
]

/** On machines with Docker, bridged packets run through a FORWARD chain that drops them. */
async function letBridgedPacketsPass(): Promise<void> {
  if (!existsSync('/proc/sys/net/bridge')) return
  const rules = await execute('iptables', ['-S', 'FORWARD']).catch(() => '')
  if (!rules.includes('-P FORWARD DROP') || rules.includes('standby-lab')) return
  await execute('iptables', ['-I', ...passRule])
}

const tc = (...args: string[]): Promise<string> => execute('tc', args, { deadline: 10_000 })
