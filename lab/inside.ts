import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ensureGroup } from './cgroup.ts'
import { type ExecuteOptions, execute } from './execute.ts'
import { namespacePath } from './network/host-namespace.ts'
import { recordProcess, runningProcess } from './state.ts'
import { type HostName, runOf, stateDirectory } from './topology.ts'
import { until } from './until.ts'

export interface Daemon {
  readonly group: string
  readonly name: string
  readonly command: readonly string[]
  readonly env?: Record<string, string>
}

/** A shell that joins the control group first, so that there is no moment in which a child runs outside of it. */
const joinThenBecome =
  'for file in $STANDBY_LAB_GROUPS; do echo $$ > $file || exit 1; done; unset STANDBY_LAB_GROUPS; exec "$@"'

export const logOf = (group: string, name: string) => join(stateDirectory, group, 'log', `${name}.log`)

/**
 * Starts a process that outlives us, in its group, with its output in the host's log directory; does nothing when it
 * runs already.
 */
export async function ensureDaemon(daemon: Daemon): Promise<number> {
  const running = runningProcess(daemon.group, daemon.name)
  if (running !== undefined) return running.pid
  const files = await ensureGroup(daemon.group)
  const path = logOf(daemon.group, daemon.name)
  await mkdir(dirname(path), { recursive: true })
  await using log = await open(path, 'a')
  const child = spawn('sh', ['-c', joinThenBecome, 'lab', ...daemon.command], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ...daemon.env, STANDBY_LAB_GROUPS: files.join(' ') },
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  child.unref()
  if (child.pid === undefined) throw new Error(`lab-process-failed: ${daemon.name} of ${daemon.group} did not start`)
  await recordProcess(daemon.group, daemon.name, child.pid)
  return child.pid
}

/**
 * A site's mounts live in a mount namespace of its own, held open by one sleeping process: they end with it, the
 * machine never sees them. Directories whose names are built into kubelet, containerd and CNI are covered by empty
 * ones, one set for each site.
 */
export async function ensureMountNamespace(
  host: HostName,
  covered: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const ready = runOf(host, 'mounts-ready')
  await rm(ready, { force: true })
  await mkdir(runOf(host), { recursive: true })
  const cover = covered.map((directory) => `mount -t tmpfs -o mode=755 standby-lab ${directory}`)
  const hold = ['mount --make-rshared /', ...cover, `: > ${ready}`, 'exec sleep infinity'].join(' && ')
  await ensureDaemon({
    group: host,
    name: 'mounts',
    command: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', hold],
  })
  const hint = () => `Look at ${logOf(host, 'mounts')}`
  await until(`mounts of ${host}`, { deadline: 10_000, every: 20, signal, hint }, async () => existsSync(ready))
}

/** The prefix of a command that makes it run inside the host. */
export function entryTo(host: HostName): string[] {
  const holder = runningProcess(host, 'mounts')
  const mounts = holder === undefined ? [] : [`--mount=/proc/${holder.pid}/ns/mnt`]
  return ['nsenter', `--net=${namespacePath(host)}`, ...mounts, '--']
}

/** Runs a command inside a host to its end. */
export function executeInside(
  host: HostName,
  command: readonly string[],
  options: ExecuteOptions = {},
): Promise<string> {
  const [program = '', ...args] = [...entryTo(host), ...command]
  return execute(program, args, options)
}
