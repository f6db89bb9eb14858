import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stateDirectory } from './topology.ts'

/**
 * Names that are compiled into the kubelet, containerd's runtime and the CNI plugins, whatever their configuration
 * says.
 */
export const coveredBySites: readonly string[] = [
  '/run/containerd',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
]

const file = join(stateDirectory, 'made-directories.json')

/** Where systemd-nspawn keeps its locks and the sockets of its machines. */
export const coveredByMachines: readonly string[] = ['/run/systemd']

/** Makes the directories that hosts cover and notes which of them this machine did not have. */
export async function ensureCoveredDirectories(directories: readonly string[]): Promise<void> {
  const made = new Set(await madeDirectories())
  for (const directory of directories) {
    const isNew = await mkdir(directory).then(
      () => true,
      () => false,
    )
    if (isNew) made.add(directory)
  }
  await writeFile(file, JSON.stringify([...made]))
}

/** Removes what was made; a directory that another program uses meanwhile is not empty and stays. */
export async function removeCoveredDirectories(): Promise<void> {
  for (const directory of await madeDirectories()) await rmdir(directory).catch(() => {})
}

async function madeDirectories(): Promise<string[]> {
  return readFile(file, 'utf8').then(
    (text) => JSON.parse(text),
    () => [],
  )
}
