import { existsSync, readdirSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureTree, UNREAD } from '../images/cached-tree.ts'
import { inTree, lendNetwork, takeNetworkBack } from '../images/in-tree.ts'
import { keyOf } from '../images/layer.ts'
import { LOGIN } from '../login.ts'
import type { Progress } from '../progress.ts'
import { cached, runDirectory } from '../topology.ts'

const suite = 'bookworm'
const packages = [
  'ca-certificates',
  'curl',
  'dbus',
  'etcd-client',
  'etcd-server',
  'haproxy',
  'iproute2',
  'iptables',
  'netbase',
  'openssh-server',
  'openssl',
  'pgbackrest',
  'postgresql-15',
  'procps',
  'python3',
  'python3-apt',
  'python3-venv',
  'redis-sentinel',
  'redis-server',
  'socat',
  'sudo',
  'systemd',
  'systemd-sysv',
]

/** Services that Debian starts with their packages: on a machine of the lab, a role configures and starts them. */
const services = [
  'etcd.service',
  'haproxy.service',
  'postgresql.service',
  'redis-sentinel.service',
  'redis-server.service',
]
/** What a machine without a disk and a way out has no use for, and would only spend processor time on. */
const disturbing = [
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-firstboot.service',
  'pgbackrest.service',
]

/** What the role installs on a machine that has none: the tree has just that, so that the lab needs no way out. */
const stack = join(import.meta.dirname, '..', '..', 'stacks', 'infisical-on-premise')
const requirements = join(stack, 'ansible', 'roles', 'patroni', 'files', 'requirements.txt')

/** Of the trees in the cache. */
const FOLDER = 'machines'

/** Raise it when a function below changes what ends up in the tree. */
const recipe = '3'

/**
 * The Debian that all machines and load balancers share, read-only: built once for each list of packages and versions,
 * in about two minutes, and then taken from the cache. Another process that builds it is waited for.
 */
export async function ensureMachineTree(progress: Progress, signal: AbortSignal): Promise<string> {
  const key = keyOf(
    recipe,
    suite,
    process.version,
    ...packages,
    ...services,
    ...disturbing,
    await readFile(requirements, 'utf8'),
  )
  const complete = async (unfinished: string, onLine: (line: string) => void): Promise<void> => {
    await completeTree(unfinished, onLine, signal)
    await removeOlderTrees(cached(FOLDER, key))
  }
  return ensureTree({ folder: FOLDER, key, label: 'machine tree', suite, packages, complete }, progress, signal)
}

/** True when some tree is in the cache; a newer one is made beside it. */
export const machineTreeIsCached = (): boolean =>
  existsSync(cached(FOLDER)) && readdirSync(cached(FOLDER)).some((key) => existsSync(cached(FOLDER, key, 'tree')))

async function completeTree(unfinished: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  await installPatroni(unfinished, onLine, signal)
  await inTree(unfinished, ['systemctl', 'disable', ...services], signal)
  await inTree(unfinished, ['systemctl', 'mask', ...disturbing], signal)
  // For the application and the guard: this very Node, which Debian does not have.
  await copyFile(process.execPath, join(unfinished, 'usr/local/bin/node'))
  await addLogin(unfinished, signal)
  await keepJournals(unfinished)
  await forgetWhatEachMachineHas(unfinished)
}

/** Debian's Patroni is 3.0; roles find this one in /opt/patroni, and its commands on the PATH. */
async function installPatroni(root: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  await lendNetwork(root)
  await copyFile(requirements, join(root, 'tmp/requirements.txt'))
  await inTree(root, ['python3', '-m', 'venv', '/opt/patroni'], signal, onLine)
  const install = ['install', '--quiet', '--no-deps', '--require-hashes', '--no-build-isolation']
  await inTree(root, ['/opt/patroni/bin/pip', ...install, '--requirement', '/tmp/requirements.txt'], signal, onLine)
  await inTree(root, ['ln', '-s', '/opt/patroni/bin/patroni', '/opt/patroni/bin/patronictl', '/usr/local/bin/'], signal)
  await rm(join(root, 'tmp/requirements.txt'))
  await takeNetworkBack(root)
}

/** A person who administers machines and load balancers, without a password on either. */
async function addLogin(root: string, signal: AbortSignal): Promise<void> {
  const user = ['--create-home', '--shell', '/bin/bash', '--groups', 'haproxy,sudo', '--password', '*', LOGIN.user]
  await inTree(root, ['useradd', ...user], signal)
  const rights = join(root, 'etc/sudoers.d', LOGIN.user)
  await writeFile(rights, `${LOGIN.user} ALL=(ALL) NOPASSWD: ALL\n`)
  await chmod(rights, 0o440)
}

/** What happened before a power cut is read after it. */
async function keepJournals(root: string): Promise<void> {
  await mkdir(join(root, 'var/log/journal'), { recursive: true })
  await mkdir(join(root, 'etc/systemd/journald.conf.d'), { recursive: true })
  await writeFile(
    join(root, 'etc/systemd/journald.conf.d/lab.conf'),
    '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nReadKMsg=no\nAudit=no\n',
  )
}

/** Identity, host keys, name and the database that Debian makes with the package: each machine has its own, or none. */
async function forgetWhatEachMachineHas(root: string): Promise<void> {
  const keys = (await readdir(join(root, 'etc/ssh'))).filter((name) => name.startsWith('ssh_host_'))
  const own = [
    ...keys.map((name) => join('etc/ssh', name)),
    'etc/hostname',
    'etc/machine-id',
    'etc/postgresql/15',
    'var/lib/dbus/machine-id',
    'var/lib/postgresql/15',
  ]
  for (const path of [...own, ...UNREAD]) await rm(join(root, path), { recursive: true, force: true })
  // apt locks them, and makes neither.
  for (const path of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial'])
    await mkdir(join(root, path), { recursive: true })
}

const DAY = 86_400_000

/** Not while a lab runs, whose machines may stand on one of them; and not what another checkout made today. */
async function removeOlderTrees(home: string): Promise<void> {
  if (existsSync(runDirectory)) return
  for (const key of await readdir(cached(FOLDER))) {
    const other = cached(FOLDER, key)
    if (other === home || Date.now() - (await stat(other)).mtimeMs < DAY) continue
    await rm(other, { recursive: true, force: true })
  }
}
