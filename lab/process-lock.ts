import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { startTimeOf } from './state.ts'

/**
 * Runs while no other process of this machine holds the same file; a lock whose holder has died is taken over. `held`
 * decides what to do about a living holder: it throws, or waits a little and is asked again.
 */
export async function withProcessLock<T>(
  file: string,
  held: (holder: number) => Promise<void>,
  run: () => Promise<T>,
): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) })
  await mkdir(dirname(file), { recursive: true })
  while (!(await create(file, mine))) {
    const holder = await livingHolder(file)
    if (holder === undefined) await rm(file, { force: true })
    else await held(holder)
  }
  try {
    return await run()
  } finally {
    await rm(file, { force: true })
  }
}

async function create(file: string, content: string): Promise<boolean> {
  try {
    await writeFile(file, content, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function livingHolder(file: string): Promise<number | undefined> {
  try {
    const { pid, startTime }: { pid: number; startTime: string } = JSON.parse(await readFile(file, 'utf8'))
    return startTimeOf(pid) === startTime ? pid : undefined
  } catch {
    return undefined
  }
}
