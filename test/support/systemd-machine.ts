import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LOGIN } from '../../lab/login.ts'
import { ensureMachineTree } from '../../lab/machines/tree.ts'
import { until } from '../../lab/until.ts'
import { needs } from './needs.ts'
import { startServer } from './server-process.ts'

needs('machine')

export interface SystemdMachine {
  readonly address: string
  /** Of this process, as the machine reaches it. */
  readonly gateway: string
  readonly machineId: string
  /** It has the rights of root by `sudo`. */
  readonly user: string
  readonly privateKey: string
  readonly knownHosts: string
  /** Runs a command line as root; its stdout. Fails for any exit code but 0. */
  root(command: string): string
  /** SIGKILL of the machine; its disk stays. */
  cutPower(): Promise<void>
  /** Starts it again after `cutPower`; returns as soon as `root` works, while units are still starting. */
  boot(): Promise<void>
  /** SIGKILL of the machine, and all of it is removed. */
  stop(): Promise<void>
}

/**
 * A Debian machine of its own: systemd as its first process, sshd, PostgreSQL's programs. It is gone with the process
 * that started it, with its network and its mounts. Needs root.
 */
export async function startSystemdMachine(): Promise<SystemdMachine> {
  const quiet = { step: <T>(_: string, run: () => Promise<T>) => run(), detail() {}, note() {}, end() {} }
  const tree = await ensureMachineTree(quiet, AbortSignal.timeout(900_000))
  const home = mkdtempSync(join(tmpdir(), 'standby-machine-'))
  const at = (...parts: string[]): string => join(home, ...parts)
  for (const folder of ['root', 'work', 'upper/etc/ssh/sshd_config.d']) mkdirSync(at(folder), { recursive: true })
  chmodSync(home, 0o755)
  const key = (file: string): string => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'standby', '-f', file])
    return readFileSync(`${file}.pub`, 'utf8')
  }
  writeFileSync(at('upper/etc/ssh/authorized_keys'), key(at('user')))
  writeFileSync(at('upper/etc/ssh/sshd_config.d/test.conf'), 'AuthorizedKeysFile /etc/ssh/authorized_keys\n')
  const hostKey = key(at('upper/etc/ssh/ssh_host_ed25519_key'))
  const machineId = randomBytes(16).toString('hex')
  writeFileSync(at('upper/etc/machine-id'), `${machineId}\n`)

  // A pair of addresses and an interface for each process of the tests.
  const own = process.pid % 16_384
  const net = `10.213.${own >> 6}.${(own & 63) * 4}`.split('.').map(Number)
  const [here, address] = [1, 2].map((add) => [...net.slice(0, 3), (net[3] ?? 0) + add].join('.'))
  const outside = `stm${process.pid}`
  const script = [
    'set -e',
    // The systemd of each machine makes the same groups: they need a root of their own.
    `for of in ${GROUPS.join(' ')}; do if [ -f $of/cgroup.procs ]; then mkdir $of/${outside}; echo $$ >$of/${outside}/cgroup.procs; fi; done`,
    'ip link set lo up',
    `ip link add host0 type veth peer name ${outside} netns ${process.pid}`,
    `ip addr add ${address}/30 dev host0`,
    'ip link set host0 up',
    `nsenter --net=/proc/${process.pid}/ns/net sh -c 'ip addr add ${here}/30 dev ${outside} && ip link set ${outside} up'`,
    `mount -t overlay -o lowerdir=${tree},upperdir=${at('upper')},workdir=${at('work')},volatile machine ${at('root')}`,
    // Its network is the one that it was started in: with its interface, it goes when the machine does.
    // And its processes are those of a name space of their own, whose first one ends with the process of the test.
    `exec unshare --pid --fork --kill-child --mount-proc systemd-nspawn --quiet --boot --directory=${at('root')} --machine=${outside} --capability=CAP_NET_ADMIN --register=no --keep-unit --link-journal=no --resolv-conf=off --timezone=off --console=pipe`,
  ].join('\n')
  const ssh = (command: string): string =>
    execFileSync(
      'ssh',
      [
        ...['-F', 'none', '-i', at('user'), '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=3'],
        ...['-o', `UserKnownHostsFile=${at('known_hosts')}`, '-o', 'LogLevel=ERROR', `root@${address}`, command],
      ],
      { encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'] },
    )
  const knownHosts = `${address} ${hostKey}`
  writeFileSync(at('known_hosts'), knownHosts)
  const start = (state: RegExp): ReturnType<typeof startServer> => {
    // What a mount with `volatile` leaves says that its files may be incomplete; this kernel did not crash.
    rmSync(at('work/work'), { recursive: true, force: true })
    return startServer(
      'setpriv',
      ['--pdeathsig', 'KILL', 'unshare', '--net', '--mount', '--propagation', 'private', 'bash', '-c', script],
      { within: 60_000, answers: async () => state.test(ssh('systemctl is-system-running || true')) },
    )
  }
  let server = await start(/running|degraded/)
  const cutPower = async (): Promise<void> => {
    process.kill(server.pid, 'SIGKILL')
    await server.stop()
    await until('the groups of the machine are gone', { deadline: 10_000, every: 100 }, async () =>
      GROUPS.every((of) => isRemoved(`${of}/${outside}`)),
    )
  }
  return {
    address: address ?? '',
    gateway: here ?? '',
    machineId,
    user: LOGIN.user,
    privateKey: readFileSync(at('user'), 'utf8'),
    knownHosts,
    root: ssh,
    cutPower,
    async boot() {
      server = await start(/starting|running|degraded/)
    },
    async stop() {
      await cutPower()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Where control groups of processes are: of version 2, or of both. */
const GROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']

/** Removes a group and all below it; false while a process is in it. */
function isRemoved(group: string): boolean {
  if (!existsSync(group)) return true
  execFileSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' })
  return !existsSync(group)
}
