import { chown, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { killGroup } from '../cgroup.ts'
import type { LabLoadBalancer } from '../environment.ts'
import { execute } from '../execute.ts'
import { ensureLogin, knowHosts, LOGIN } from '../login.ts'
import { accepts } from '../network/accepts.ts'
import { namespacePath } from '../network/host-namespace.ts'
import { addressOf, type LoadBalancerName, loadBalancerNames, stateOf } from '../topology.ts'
import { until } from '../until.ts'
import { bootHost, ensureDisk, type HostFiles } from './boot-host.ts'
import { haproxyConfiguration, mapFile, masterSocket, runtimeSocket, type Served } from './haproxy-configuration.ts'

/**
 * Starts both load balancers as hosts of their own: own network, file system (a layer over the lab's Debian),
 * processes, sshd and HAProxy.
 */
export async function startLoadBalancers(debianTree: string, served: Served, signal: AbortSignal): Promise<void> {
  await ensureLogin()
  await Promise.all(loadBalancerNames.map((name) => startLoadBalancer(name, debianTree, served, signal)))
  await knowHosts(loadBalancerNames)
}

export async function startLoadBalancer(
  name: LoadBalancerName,
  debianTree: string,
  served: Served,
  signal: AbortSignal,
): Promise<void> {
  await ensureDisk(name, debianTree, { init, files: filesOf(served) })
  await ensureConfiguration(name, served)
  await ignoreRejections(name)
  await bootHost(name, debianTree)
  // 15 s were seen on two cores with a load of 23, while nine machines booted.
  await until(`${name} answers on HTTP and ssh`, { deadline: 60_000, every: 100, signal }, async () => {
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

export function describeLoadBalancer(name: LoadBalancerName, { frontends }: Served): LabLoadBalancer {
  const host = addressOf[name]
  const described = frontends.map(({ port, mapKey, sitePort, backends }) => ({
    url: `http://${host}:${port}`,
    mapKey,
    nodePort: sitePort,
    backends,
  }))
  return {
    name,
    host,
    sshPort: 22,
    user: LOGIN.user,
    privateKey: LOGIN.privateKey,
    knownHosts: LOGIN.knownHosts,
    runtimeSocket,
    masterSocket,
    mapFile,
    frontends: described,
  }
}

/** The map may be written by the login, in a folder of its own. */
const filesOf =
  (served: Served): HostFiles['files'] =>
  async (place, login, disk) => {
    await place(configurationFile, haproxyConfiguration(served), 0o644)
    await place(mapFile, served.frontends.map(({ mapKey }) => `${mapKey} be_none\n`).join(''), 0o664, login)
    await chown(join(disk, dirname(mapFile)), login.uid, login.gid)
  }

const configurationFile = 'etc/haproxy/haproxy.cfg'

/** A host whose sites have become more reads its file anew, as after a restart; its map says what it said. */
async function ensureConfiguration(name: LoadBalancerName, served: Served): Promise<void> {
  const path = stateOf(name, 'disk', configurationFile)
  const wanted = haproxyConfiguration(served)
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
