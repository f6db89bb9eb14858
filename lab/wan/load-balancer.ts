import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { killGroup } from '../cgroup.ts'
import type { LabLoadBalancer } from '../environment.ts'
import { execute } from '../execute.ts'
import { ensureDaemon } from '../inside.ts'
import { namespacePath } from '../network/host-namespace.ts'
import {
  addressOf,
  type LoadBalancerName,
  loadBalancerNames,
  runDirectory,
  runOf,
  type SiteName,
  stateOf,
} from '../topology.ts'
import { until } from '../until.ts'
import { frontends, haproxyConfiguration, mapFile, masterSocket, runtimeSocket } from './haproxy-configuration.ts'

const privateKey = join(runDirectory, 'ssh', 'id_ed25519')
const knownHosts = join(runDirectory, 'ssh', 'known_hosts')
const user = 'standby'

/**
 * Starts both load balancers as hosts of their own: own network, file system (a layer over the lab's Debian),
 * processes, sshd and HAProxy.
 */
export async function startLoadBalancers(
  debianTree: string,
  sites: readonly SiteName[],
  signal: AbortSignal,
): Promise<void> {
  await ensureLogin()
  await Promise.all(loadBalancerNames.map((name) => startLoadBalancer(name, debianTree, sites, signal)))
  await writeKnownHosts()
}

export async function startLoadBalancer(
  name: LoadBalancerName,
  debianTree: string,
  sites: readonly SiteName[],
  signal: AbortSignal,
): Promise<void> {
  await ensureDisk(name, debianTree, sites)
  await ensureConfiguration(name, sites)
  await ignoreRejections(name)
  const root = runOf(name, 'root')
  await mkdir(root, { recursive: true })
  const mount = `lowerdir=${debianTree},upperdir=${stateOf(name, 'disk')},workdir=${stateOf(name, 'work')}`
  const boot = [
    `mount -t overlay -o ${mount} ${name} ${root}`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t proc proc ${root}/proc`,
    `mount -t tmpfs -o mode=755 tmpfs ${root}/run`,
    `hostname ${name}`,
    `exec chroot ${root} /usr/local/sbin/standby-init`,
  ].join(' && ')
  const host = [
    'nsenter',
    `--net=${namespacePath(name)}`,
    '--',
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--uts',
  ]
  await ensureDaemon({ group: name, name: 'init', command: [...host, 'sh', '-c', boot] })
  await until(`${name} answers on HTTP and ssh`, { deadline: 20_000, every: 100, signal }, async () => {
    const [http, ssh] = await Promise.all([accepts(name, 80), accepts(name, 22)])
    return http && ssh
  })
}

/**
 * kube-proxy rejects what has no endpoint with "port unreachable", and HAProxy 2.6 asks a connect in progress over and
 * over after that, until its check times out: each passive backend took a quarter of a core. Without the message the
 * check waits in peace.
 */
async function ignoreRejections(name: LoadBalancerName): Promise<void> {
  const rule = ['INPUT', '-p', 'icmp', '--icmp-type', 'port-unreachable', '-j', 'DROP']
  const iptables = (how: '-C' | '-A'): Promise<string> =>
    execute('nsenter', [`--net=${namespacePath(name)}`, 'iptables', how, ...rule])
  await iptables('-C').catch(() => iptables('-A'))
}

export function describeLoadBalancer(name: LoadBalancerName): LabLoadBalancer {
  const host = addressOf[name]
  const served = frontends.map(({ port, mapKey, nodePort, backends }) => ({
    url: `http://${host}:${port}`,
    mapKey,
    nodePort,
    backends,
  }))
  return {
    name,
    host,
    sshPort: 22,
    user,
    privateKey,
    knownHosts,
    runtimeSocket,
    masterSocket,
    mapFile,
    frontends: served,
  }
}

/** The host's own files; made once, so that what a driver writes stays across an outage, as on a disk. */
async function ensureDisk(name: LoadBalancerName, debianTree: string, sites: readonly SiteName[]): Promise<void> {
  const disk = stateOf(name, 'disk')
  if (existsSync(disk)) return
  const unfinished = `${disk}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(stateOf(name, 'work'), { recursive: true })
  const ids = await idsOf(debianTree)
  const place = async (path: string, content: string, mode: number, owner = { uid: 0, gid: 0 }) => {
    const target = join(unfinished, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content)
    await chmod(target, mode)
    await chown(target, owner.uid, owner.gid)
  }
  await place('usr/local/sbin/standby-init', init, 0o755)
  await place('etc/hostname', `${name}\n`, 0o644)
  await place(configurationFile, haproxyConfiguration(sites), 0o644)
  await place(mapFile, frontends.map(({ mapKey }) => `${mapKey} be_none\n`).join(''), 0o664, ids)
  await chown(join(unfinished, dirname(mapFile)), ids.uid, ids.gid)
  await place('etc/ssh/sshd_config', sshdConfiguration(name), 0o644)
  await execute('ssh-keygen', [
    '-q',
    '-t',
    'ed25519',
    '-N',
    '',
    '-C',
    name,
    '-f',
    join(unfinished, 'etc/ssh/ssh_host_ed25519_key'),
  ])
  await place(`home/${user}/.ssh/authorized_keys`, await readFile(`${privateKey}.pub`, 'utf8'), 0o600, ids)
  for (const path of [`home/${user}/.ssh`, `home/${user}`]) {
    await chown(join(unfinished, path), ids.uid, ids.gid)
    await chmod(join(unfinished, path), 0o700)
  }
  await rename(unfinished, disk)
}

const configurationFile = 'etc/haproxy/haproxy.cfg'

/** A host whose sites have become more reads its file anew, as after a restart; its map says what it said. */
async function ensureConfiguration(name: LoadBalancerName, sites: readonly SiteName[]): Promise<void> {
  const path = stateOf(name, 'disk', configurationFile)
  const wanted = haproxyConfiguration(sites)
  if ((await readFile(path, 'utf8')) === wanted) return
  // What lies on the disk of a running host is the upper part of its file system, which must not be written from
  // outside.
  await killGroup(name)
  await writeFile(path, wanted)
}

/**
 * The process that all others of the host descend from; a HAProxy that is stopped comes back, as under any service
 * manager.
 */
const init = `#!/bin/sh
mkdir -p /run/sshd /run/haproxy
/usr/sbin/sshd -D -e 2>>/var/log/sshd.log &
while :; do
  /usr/sbin/haproxy -W -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid -S ${masterSocket},mode,660,user,root,group,haproxy >>/var/log/haproxy.log 2>&1
  sleep 0.1
done
`

const sshdConfiguration = (name: LoadBalancerName) => `Port 22
ListenAddress ${addressOf[name]}
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AllowUsers ${user}
UsePAM no
UseDNS no
MaxStartups 50
PrintMotd no
Subsystem sftp internal-sftp
`

async function ensureLogin(): Promise<void> {
  if (existsSync(privateKey)) return
  await mkdir(dirname(privateKey), { recursive: true, mode: 0o700 })
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'standby-lab', '-f', privateKey])
}

async function writeKnownHosts(): Promise<void> {
  const lines = await Promise.all(
    loadBalancerNames.map(async (name) => {
      const [type, key] = (await readFile(stateOf(name, 'disk', 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8')).split(' ')
      return `${addressOf[name]} ${type} ${key}\n`
    }),
  )
  await writeFile(knownHosts, lines.join(''))
}

/** User and group ids are those of the Debian tree, not of this machine. */
async function idsOf(debianTree: string): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile(join(debianTree, 'etc/passwd'), 'utf8')
  const fields = passwd.split('\n').map((line) => line.split(':'))
  const entry = fields.find(([name]) => name === user)
  if (entry === undefined)
    throw new Error(
      `lab-image-failed: the Debian tree ${debianTree} has no user ${user}; remove it and run  npm run lab -- up`,
    )
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}

function accepts(name: LoadBalancerName, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: addressOf[name], port, timeout: 1_000 })
    const answer = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
