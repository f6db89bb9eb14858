import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { existingGroups, killGroup, removeGroup } from './cgroup.ts'
import { removeCoveredDirectories } from './covered-directories.ts'
import { execute } from './execute.ts'
import { restoreKernelSettings } from './kernel-settings.ts'
import { networkLeftovers, removeNetwork } from './network/host-namespace.ts'
import type { Progress } from './progress.ts'
import { runDirectory, stateDirectory } from './topology.ts'

/** Removes all that `up` made, also what a crashed `up` left, and proves it; the cache stays. */
export async function bringDown(progress: Progress): Promise<void> {
  await progress.step('processes ended', async () => {
    const groups = await existingGroups()
    await Promise.all(groups.map(killGroup))
    await Promise.all(groups.map(removeGroup))
  })
  await progress.step('network removed', removeNetwork)
  await restoreKernelSettings()
  await removeCoveredDirectories()
  await progress.step('state removed', async () => {
    await unmountLeftovers()
    await Promise.all(
      [stateDirectory, runDirectory].map((path) => rm(path, { recursive: true, force: true, maxRetries: 3 })),
    )
  })
  const left = await leftovers()
  if (left.length > 0)
    throw new Error(`lab-leftovers: not removed: ${left.join(', ')}. Run  npm run lab -- down  again`)
}

/**
 * Mounts of the lab live in namespaces that ended with its processes; this is for what a stranger's hand mounted since.
 */
async function unmountLeftovers(): Promise<void> {
  for (const path of (await leftoverMounts()).reverse()) await execute('umount', ['--lazy', path])
}

/** Everything with the lab's names that a machine still has; empty after `down`. */
export async function leftovers(): Promise<string[]> {
  const groups = (await existingGroups()).map((group) => `cgroup ${group}`)
  const mounts = (await leftoverMounts()).map((path) => `mount ${path}`)
  const directories = [stateDirectory, runDirectory].filter(existsSync).map((path) => `directory ${path}`)
  return [...groups, ...(await networkLeftovers()), ...mounts, ...directories]
}

async function leftoverMounts(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n')
  const paths = lines.map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
  return paths.filter((path) => path.startsWith(`${stateDirectory}/`) || path.startsWith(`${runDirectory}/`))
}
