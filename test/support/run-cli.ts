import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { temporaryFolder } from './temporary-folder.ts'

export interface CliRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
}

/** Runs the built command line in an empty folder, with nothing of this test's environment. */
export async function runCli(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly meanwhile?: (child: ChildProcess) => Promise<void>
  } = {},
): Promise<CliRun> {
  const folder = temporaryFolder()
  const began = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'dist', 'cli.js'), ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: folder, USER: 'tester', ...options.env },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const watchdog = setTimeout(() => child.kill('SIGKILL'), 30_000)
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  await options.meanwhile?.(child)
  const exitCode = await ended
  clearTimeout(watchdog)
  return { exitCode, ...said, milliseconds: performance.now() - began }
}
