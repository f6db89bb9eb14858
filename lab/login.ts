import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execute } from './execute.ts'
import { addressOf, type HostName, runDirectory, stateOf } from './topology.ts'

/** How tests and drivers log in on load balancers and machines. */
export const LOGIN = {
  user: 'standby',
  /** Path of the key that may log in. */
  privateKey: join(runDirectory, 'ssh', 'id_ed25519'),
  /** Path of the file with the host keys of all hosts that run sshd. */
  knownHosts: join(runDirectory, 'ssh', 'known_hosts'),
} as const

/** Makes the key that may log in; once for each lab. */
export async function ensureLogin(): Promise<void> {
  const { privateKey } = LOGIN
  if (existsSync(privateKey)) return
  await mkdir(dirname(privateKey), { recursive: true, mode: 0o700 })
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'standby-lab', '-f', privateKey])
}

const hostKey = 'etc/ssh/ssh_host_ed25519_key'

/** Gives the disk of a host its own ssh host key. */
export async function makeHostKey(host: HostName, disk: string): Promise<void> {
  await mkdir(join(disk, dirname(hostKey)), { recursive: true })
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', host, '-f', join(disk, hostKey)])
}

/** Lets the login of the lab in. */
export async function authorizeLogin(disk: string, owner: Owner): Promise<void> {
  const home = join(disk, 'home', LOGIN.user)
  const file = join(home, '.ssh', 'authorized_keys')
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, await readFile(`${LOGIN.privateKey}.pub`, 'utf8'))
  await chmod(file, 0o600)
  for (const directory of [dirname(file), home]) await chmod(directory, 0o700)
  for (const path of [file, dirname(file), home]) await chown(path, owner.uid, owner.gid)
}

/** Writes the file of known hosts: these, with the host keys on their disks, and no others. */
export async function knowHosts(hosts: readonly HostName[]): Promise<void> {
  const lines = await Promise.all(
    hosts.map(async (host) => {
      const [type, key] = (await readFile(stateOf(host, 'disk', `${hostKey}.pub`), 'utf8')).split(' ')
      return `${addressOf[host]} ${type} ${key}\n`
    }),
  )
  await writeFile(LOGIN.knownHosts, lines.join(''))
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** User and group ids are those of the Debian tree, not of this machine. */
export async function idsOf(debianTree: string, user: string): Promise<Owner> {
  const passwd = await readFile(join(debianTree, 'etc/passwd'), 'utf8')
  const fields = passwd.split('\n').map((line) => line.split(':'))
  const entry = fields.find(([name]) => name === user)
  if (entry === undefined)
    throw new Error(
      `lab-image-failed: the Debian tree ${debianTree} has no user ${user}; remove it and run  npm run lab -- up`,
    )
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}
