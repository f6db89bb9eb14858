import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { startTimeOf } from './state.ts'

/** Beside the lab's own directory, because `down` removes that. */
const file = '/run/standby-lab.lock'

/** Runs one lab command at a time; a lock whose holder has died is taken over. */
export async function withCommandLock<T>(run: () => Promise<T>): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) })
  await mkdir(dirname(file), { recursive: true })
  for (;;) {
    try {
      await writeFile(file, mine, { flag: 'wx' })
      break
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const holder = await livingHolder()
      if (holder !== undefined) {
        throw new Error(`lab-busy: another lab command (process ${holder}) is at work. Wait for it, or end it with  kill ${holder}`)
      }
      await rm(file, { force: true })
    }
  }
  try {
    return await run()
  } finally {
    await rm(file, { force: true })
  }
}

async function livingHolder(): Promise<number | undefined> {
  try {
    const { pid, startTime }: { pid: number; startTime: string } = JSON.parse(await readFile(file, 'utf8'))
    return startTimeOf(pid) === startTime ? pid : undefined
  } catch {
    return undefined
  }
}
