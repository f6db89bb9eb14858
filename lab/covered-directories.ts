import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stateDirectory } from './topology.ts'

/**
 * Names that are compiled into the kubelet, containerd's runtime and the CNI plugins, whatever their configuration
 * says.
 */
export const coveredDirectories: readonly string[] = [
  '/run/containerd',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
]

const file = join(stateDirectory, 'made-directories.json')

/** Makes the directories that sites cover and notes which of them the machine did not have. */
export async function ensureCoveredDirectories(): Promise<void> {
  const made = new Set(await madeDirectories())
  for (const directory of coveredDirectories) {
    const isNew = await mkdir(directory).then(
      () => true,
      () => false,
    )
    if (isNew) made.add(directory)
  }
  await writeFile(file, JSON.stringify([...made]))
}

/** Removes what was made; a directory that somebody else uses meanwhile is not empty and stays. */
export async function removeCoveredDirectories(): Promise<void> {
  for (const directory of await madeDirectories()) await rmdir(directory).catch(() => {})
}

async function madeDirectories(): Promise<string[]> {
  return readFile(file, 'utf8').then(
    (text) => JSON.parse(text),
    () => [],
  )
}
