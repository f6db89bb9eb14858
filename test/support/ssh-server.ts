import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ensureDebian } from '../../lab/images/debian.ts'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('debian')

export interface SshServer {
  readonly port: number
  readonly user: string
  readonly pid: number
  /** A key that is let in, and one that is not. */
  readonly privateKey: string
  readonly strangersKey: string
  /** The right known_hosts, and one with another key for the same host. */
  readonly knownHosts: string
  readonly foreignKnownHosts: string
  /** Connections that were authenticated. */
  logins(): number
  stop(): Promise<void>
}

const USER = 'tester'
const UID = 4242

/**
 * A real sshd of the lab's Debian tree, in a mount namespace of its own that vanishes with it. `machineId`: null for a
 * host without /etc/machine-id. `programs`: files of the host, by their paths. Needs root.
 */
export async function startSshServer(
  machineId: string | null = 'f'.repeat(32),
  programs: Readonly<Record<string, string>> = {},
): Promise<SshServer> {
  const { tree } = await ensureDebian(() => undefined, AbortSignal.timeout(600_000))
  const home = mkdtempSync(join(tmpdir(), 'standby-sshd-'))
  const at = (...parts: string[]): string => join(home, ...parts)
  const key = (name: string): string => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', at(name)])
    return readFileSync(at(name), 'utf8')
  }
  const publicKey = (name: string): string => readFileSync(at(`${name}.pub`), 'utf8')
  const [privateKey, strangersKey] = [key('user'), key('stranger')]
  key('host')
  key('other-host')
  const [port = 0] = await freePorts(1)

  for (const folder of ['root', 'work', 'upper/etc/ssh', 'upper/run/sshd', 'upper/home/tester/.ssh'])
    mkdirSync(at(folder), { recursive: true, mode: 0o755 })
  chmodSync(at('upper'), 0o755)
  const extended = (file: string, line: string): string => `${readFileSync(join(tree, file), 'utf8')}${line}\n`
  writeFileSync(at('upper/etc/passwd'), extended('etc/passwd', `${USER}:x:${UID}:${UID}::/home/tester:/bin/sh`))
  writeFileSync(at('upper/etc/shadow'), extended('etc/shadow', `${USER}:*:1::::::`), { mode: 0o640 })
  writeFileSync(at('upper/home/tester/.ssh/authorized_keys'), publicKey('user'), { mode: 0o600 })
  for (const path of ['', '.ssh', '.ssh/authorized_keys']) chownSync(at('upper/home/tester', path), UID, UID)
  for (const [path, text] of Object.entries(programs)) {
    mkdirSync(dirname(at('upper', path)), { recursive: true, mode: 0o755 })
    writeFileSync(at('upper', path), text, { mode: 0o755 })
  }
  // To an overlay, a character device 0/0 is a file that is not there.
  if (machineId === null) execFileSync('mknod', [at('upper/etc/machine-id'), 'c', '0', '0'])
  else writeFileSync(at('upper/etc/machine-id'), `${machineId}\n`)
  writeFileSync(at('upper/etc/ssh/host_key'), readFileSync(at('host')), { mode: 0o600 })
  writeFileSync(
    at('upper/etc/ssh/test_config'),
    [
      'HostKey /etc/ssh/host_key',
      `ListenAddress 127.0.0.1:${port}`,
      'PasswordAuthentication no',
      'UsePAM no',
      'PidFile none',
      'LogLevel VERBOSE',
      '',
    ].join('\n'),
  )
  const script = [
    'set -e',
    `mount -t overlay overlay -o "lowerdir=${tree},upperdir=$1/upper,workdir=$1/work" "$1/root"`,
    'mount --bind /dev "$1/root/dev"',
    'mount -t proc proc "$1/root/proc"',
    'exec chroot "$1/root" /usr/sbin/sshd -D -e -f /etc/ssh/test_config',
  ].join('\n')
  const server = await startServer(
    'unshare',
    ['--mount', '--propagation', 'private', 'bash', '-c', script, 'sshd', home],
    {
      answers: () => accepts(port),
    },
  )
  const known = (name: string): string => `[127.0.0.1]:${port} ${publicKey(name)}`
  return {
    port,
    user: USER,
    pid: server.pid,
    privateKey,
    strangersKey,
    knownHosts: known('host'),
    foreignKnownHosts: known('other-host'),
    logins: () => server.said().match(/Accepted publickey/g)?.length ?? 0,
    stop: async () => {
      await server.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
