import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ensureDaemon } from '../inside.ts'
import { authorizeLogin, idsOf, LOGIN, makeHostKey, type Owner } from '../login.ts'
import { namespacePath } from '../network/host-namespace.ts'
import { addressOf, type HostName, runOf, stateOf } from '../topology.ts'

/** Writes a file of a host's disk; its owner is root where none is named. */
export type Place = (path: string, content: string, mode: number, owner?: Owner) => Promise<void>

/** What makes a host what it is. */
export interface HostFiles {
  /** The script of the process that all others of the host descend from; it starts sshd too. */
  readonly init: string
  /** Writes the other files of its own; `login` is the user who logs in by ssh. */
  readonly files: (place: Place, login: Owner, disk: string) => Promise<void>
}

/** The host's own files; made once, so that what a driver writes stays across an outage, as on a disk. */
export async function ensureDisk(host: HostName, tree: string, { init, files }: HostFiles): Promise<void> {
  const disk = stateOf(host, 'disk')
  if (existsSync(disk)) return
  const unfinished = `${disk}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(stateOf(host, 'work'), { recursive: true })
  const ids = await idsOf(tree, LOGIN.user)
  const place: Place = async (path, content, mode, owner = { uid: 0, gid: 0 }) => {
    const target = join(unfinished, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content)
    await chmod(target, mode)
    await chown(target, owner.uid, owner.gid)
  }
  await place('usr/local/sbin/standby-init', init, 0o755)
  await place('etc/hostname', `${host}\n`, 0o644)
  await files(place, ids, unfinished)
  await place('etc/ssh/sshd_config', sshdConfiguration(host), 0o644)
  await makeHostKey(host, unfinished)
  await authorizeLogin(unfinished, ids)
  await rename(unfinished, disk)
}

/** Boots a host from its disk, a layer over a tree that others share: own network, file system and processes. */
export async function bootHost(host: HostName, tree: string): Promise<void> {
  const root = runOf(host, 'root')
  await mkdir(root, { recursive: true })
  const mount = `lowerdir=${tree},upperdir=${stateOf(host, 'disk')},workdir=${stateOf(host, 'work')}`
  const boot = [
    `mount -t overlay -o ${mount} ${host} ${root}`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t proc proc ${root}/proc`,
    `mount -t tmpfs -o mode=755 tmpfs ${root}/run`,
    `hostname ${host}`,
    `exec chroot ${root} /usr/local/sbin/standby-init`,
  ].join(' && ')
  const around = [
    'nsenter',
    `--net=${namespacePath(host)}`,
    '--',
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--uts',
  ]
  await ensureDaemon({ group: host, name: 'init', command: [...around, 'sh', '-c', boot] })
}

const sshdConfiguration = (host: HostName) => `Port 22
ListenAddress ${addressOf[host]}
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AllowUsers ${LOGIN.user}
UsePAM no
UseDNS no
MaxStartups 50
PrintMotd no
Subsystem sftp internal-sftp
`
