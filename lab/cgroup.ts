import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './until.ts'

/**
 * All processes of the lab live in control groups below `standby-lab`. The group, not a name or a pattern, says what is
 * ours to freeze, kill and count; a process cannot leave it, containers included (the kubelet's `cgroupRoot` is the
 * site's `pods` group).
 */
const root = '/sys/fs/cgroup'
const top = 'standby-lab'

/** A host of the lab, or the short-lived importer of images. */
export type Group = string

const unified = () => existsSync(join(root, 'cgroup.controllers'))

/**
 * The mounted hierarchies: one on cgroup v2, one per controller on v1 (and `unified` without controllers where both are
 * mounted).
 */
async function hierarchies(): Promise<string[]> {
  if (unified()) return [root]
  const names = await readdir(root)
  return names.map((name) => join(root, name)).filter((path) => existsSync(join(path, 'cgroup.procs')))
}

/** The hierarchy that freezes and lists. */
const mainHierarchy = () => (unified() ? root : join(root, 'freezer'))

/** The cgroup that pods of a site are made in, as the kubelet wants it written. */
export const podsGroupOf = (group: Group) => `/${top}/${group}/pods`

/**
 * Creates the group of a host, with a leaf for its daemons and one for its pods, and returns the files that a new
 * process writes its id into.
 */
export async function ensureGroup(group: Group): Promise<string[]> {
  const bases = await hierarchies()
  for (const base of bases) {
    for (const leaf of ['daemons', 'pods']) await mkdir(join(base, top, group, leaf), { recursive: true })
    if (base.endsWith('/cpuset')) await inheritCpus(base, group)
    if (!unified()) continue
    for (const parent of [base, join(base, top), join(base, top, group)]) {
      await writeFile(join(parent, 'cgroup.subtree_control'), '+cpuset +cpu +memory +pids').catch(() => {})
    }
  }
  return bases.map((base) => join(base, top, group, 'daemons', 'cgroup.procs'))
}

/** A cpuset of cgroup v1 starts empty and takes no process until it names processors and memory. */
async function inheritCpus(base: string, group: Group): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = (await readFile(join(base, file), 'utf8')).trim()
    for (const path of [top, `${top}/${group}`, `${top}/${group}/daemons`, `${top}/${group}/pods`])
      await writeFile(join(base, path, file), value)
  }
}

/**
 * Gives the lab as much processor time as this many processes of the computer have; without it, the whole lab counts as
 * one process. At a load of 100 an ssh login on one of nine machines took 6.4 s without it, and 0.8 s with it. A group
 * must exist.
 */
export async function weighAs(processes: number): Promise<void> {
  for (const base of await hierarchies())
    for (const [file, one] of [
      ['cpu.weight', 100],
      ['cpu.shares', 1_024],
    ] as const) {
      const path = join(base, top, file)
      if (existsSync(path)) await writeFile(path, String(Math.min(one * processes, 100 * one)))
    }
}

/** The groups that exist now, also those of a lab that crashed. */
export async function existingGroups(): Promise<Group[]> {
  const entries = await readdir(join(mainHierarchy(), top), { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

/** Ids of all processes in a group, containers included. */
export async function processesIn(group: Group): Promise<number[]> {
  const found: number[] = []
  for (const directory of await treeOf(join(mainHierarchy(), top, group))) {
    const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '')
    found.push(...text.split('\n').filter(Boolean).map(Number))
  }
  return found
}

/** Stops (or lets go) every process of the group at once; sockets stay open and answer nothing. */
export async function setFrozen(group: Group, frozen: boolean, signal?: AbortSignal): Promise<void> {
  const home = join(mainHierarchy(), top, group)
  if (!existsSync(home)) return
  if (unified()) {
    await writeFile(join(home, 'cgroup.freeze'), frozen ? '1' : '0')
    return
  }
  const wanted = frozen ? 'FROZEN' : 'THAWED'
  // A v1 group passes through FREEZING while a process is in the kernel.
  await until(
    `${group} ${wanted.toLowerCase()}`,
    { deadline: 10_000, every: 50, ...(signal === undefined ? {} : { signal }) },
    async () => {
      await writeFile(join(home, 'freezer.state'), wanted)
      return (await readFile(join(home, 'freezer.state'), 'utf8')).trim() === wanted
    },
  )
}

export async function isFrozen(group: Group): Promise<boolean> {
  const home = join(mainHierarchy(), top, group)
  if (unified()) return (await readFile(join(home, 'cgroup.freeze'), 'utf8').catch(() => '0')).trim() === '1'
  return (await readFile(join(home, 'freezer.state'), 'utf8').catch(() => '')).trim() === 'FROZEN'
}

/** Ends every process of the group by SIGKILL and returns when none is left. */
export async function killGroup(group: Group): Promise<void> {
  await setFrozen(group, false)
  await until(`every process of ${group} ended`, { deadline: 15_000, every: 20 }, async () => {
    const processes = await processesIn(group)
    for (const pid of processes) signalQuietly(pid)
    return processes.length === 0
  })
}

/** Removes the emptied group from every hierarchy. */
export async function removeGroup(group: Group): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const directories = await treeOf(join(hierarchy, top, group))
    for (const directory of directories.reverse()) await removeDirectory(directory)
    // The common parent goes with its last child.
    await rmdir(join(hierarchy, top)).catch(() => {})
  }
}

/** Bytes of anonymous and shared memory; page cache is not counted, the kernel takes it back when it is needed. */
export async function memoryOf(group: Group): Promise<number> {
  const base = unified() ? root : join(root, 'memory')
  const text = await readFile(join(base, top, group, 'memory.stat'), 'utf8').catch(() => '')
  const fields = new Map(text.split('\n').map((line) => line.split(' ') as [string, string]))
  const names = unified() ? ['anon', 'shmem'] : ['total_rss', 'total_shmem']
  return names.reduce((sum, name) => sum + Number(fields.get(name) ?? 0), 0)
}

/** The directory and all below it, parents first. */
async function treeOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => null)
  if (entries === null) return []
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => treeOf(join(directory, entry.name))),
  )
  return [directory, ...below.flat()]
}

async function removeDirectory(directory: string): Promise<void> {
  // EBUSY for a moment after the last process has gone.
  await until(`cgroup ${directory} removed`, { deadline: 5_000, every: 20 }, async () => {
    await rmdir(directory).catch(() => {})
    return !existsSync(directory)
  })
}

function signalQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself between the listing and now.
  }
}
