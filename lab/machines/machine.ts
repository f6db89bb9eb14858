import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { coveredByMachines } from '../covered-directories.ts'
import { execute } from '../execute.ts'
import { ensureDaemon, logOf } from '../inside.ts'
import { LOGIN } from '../login.ts'
import { accepts } from '../network/accepts.ts'
import { namespacePath } from '../network/host-namespace.ts'
import { runningProcess } from '../state.ts'
import { addressOf, type MachineName, runOf, stateOf } from '../topology.ts'
import { until } from '../until.ts'
import { programsOfMachines } from './consul.ts'
import { ensureMachineDisk } from './disk.ts'

/** The process that a machine ends with: systemd-nspawn, whose only child is the machine's systemd. */
export const MACHINE_PROCESS = 'init'

/**
 * Boots a machine that is off; does nothing to one that runs. Its root is the common tree under a layer of its own, its
 * mounts live in a mount namespace of its own, and all its processes in its control group.
 */
export async function bootMachine(machine: MachineName, tree: string): Promise<void> {
  if (runningProcess(machine, MACHINE_PROCESS) !== undefined) return
  await ensureMachineDisk(machine, tree)
  const root = runOf(machine, 'root')
  await mkdir(root, { recursive: true })
  const layers = `lowerdir=${tree},upperdir=${stateOf(machine, 'disk')},workdir=${await freshWorkDirectory(machine)}`
  const boot = [
    ...coveredByMachines.map((directory) => `mount -t tmpfs -o mode=755 standby-lab ${directory}`),
    // `volatile`: the layer is never flushed. What a machine has written outlives its processes, not this computer.
    `mount -t overlay -o ${layers},volatile ${machine} ${root}`,
    `exec ${nspawn(machine, root).join(' ')}`,
  ].join(' && ')
  await ensureDaemon({
    group: machine,
    name: MACHINE_PROCESS,
    command: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', boot],
  })
}

/** Not registered: a machine of the lab shall not need, or be seen by, a systemd of this computer. */
const nspawn = (machine: MachineName, root: string): string[] => [
  'systemd-nspawn',
  '--quiet',
  '--boot',
  `--directory=${root}`,
  `--machine=${machine}`,
  `--hostname=${machine}`,
  `--network-namespace-path=${namespacePath(machine)}`,
  // Without it the systemd inside cannot bring up `lo` in the private network of a sandbox.
  '--capability=CAP_NET_ADMIN',
  '--register=no',
  '--keep-unit',
  '--link-journal=no',
  '--resolv-conf=off',
  '--timezone=off',
  '--console=pipe',
  ...programsOfMachines().map(({ program, path }) => `--bind-ro=${program}:${path}`),
]

/**
 * A layer that was not unmounted in good order refuses to be mounted with its old work directory; the files of the
 * layer are as they were.
 */
async function freshWorkDirectory(machine: MachineName): Promise<string> {
  const home = stateOf(machine, 'work')
  await mkdir(home, { recursive: true })
  for (const old of await readdir(home)) await rm(join(home, old), { recursive: true, force: true })
  return mkdtemp(join(home, 'boot-'))
}

/** Returns when the machine lets the login in and its systemd has started all that it starts at boot. */
export async function untilMachineWorks(machine: MachineName, signal: AbortSignal): Promise<void> {
  const hint = () => `Look at ${logOf(machine, MACHINE_PROCESS)}`
  await until(`${machine} answers by ssh`, { deadline: 60_000, every: 100, signal, hint }, () => accepts(machine, 22))
  await until(`${machine} has booted`, { deadline: 60_000, every: 300, signal, hint }, async () => {
    const state = await onMachine(machine, 'systemctl is-system-running || true').catch(() => '')
    return ['running', 'degraded'].includes(state.trim())
  })
}

/** Runs a command line on a machine, as the login of the lab; fails as `execute` does. */
export function onMachine(machine: MachineName, command: string, deadline = 20_000): Promise<string> {
  const options = ['BatchMode=yes', 'ConnectTimeout=3', 'StrictHostKeyChecking=yes']
  const identity = ['-i', LOGIN.privateKey, '-o', `UserKnownHostsFile=${LOGIN.knownHosts}`]
  const target = `${LOGIN.user}@${addressOf[machine]}`
  return execute('ssh', [...options.flatMap((option) => ['-o', option]), ...identity, target, command], { deadline })
}
