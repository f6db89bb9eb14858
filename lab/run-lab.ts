import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** A command of the lab in a process of its own: it shows its own progress. */
export async function runLab(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cli.ts'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const code = await new Promise<number | null>((done, failed) => {
    child.once('error', failed)
    child.once('close', done)
  })
  if (code !== 0) throw new Error(`lab ${args.join(' ')} ended with ${code}: see above`)
}
