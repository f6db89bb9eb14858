import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from './eventually.ts'

export interface ServerProcess {
  readonly pid: number
  /** What it has said so far. */
  said(): string
  stop(): Promise<void>
}

/** Starts a real server and waits until it answers; throws with its own words when it ends or stays silent. */
export async function startServer(
  command: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly answers: () => Promise<boolean>
    readonly within?: number
  },
): Promise<ServerProcess> {
  const child = spawn(command, args, { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let words = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-20_000)))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await exited
    clearTimeout(timer)
  }
  const end = Date.now() + (options.within ?? 30_000)
  while (!(await options.answers().catch(() => false))) {
    if (child.exitCode !== null || Date.now() > end) {
      await stop()
      throw new Error(`${command} does not answer: ${words.slice(-2_000)}`)
    }
    await pause(50)
  }
  return { pid: child.pid ?? 0, said: () => words, stop }
}

/** SIGKILL to a process that may have ended. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** SIGSTOP, until every thread has stopped: those that run, or wait for a processor, go on for a moment. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  const tasks = `/proc/${pid}/task`
  const isStopped = (thread: string): boolean => /\) T /.test(readFileSync(`${tasks}/${thread}/stat`, 'utf8'))
  await eventually(`all threads of ${pid} to stop`, async () => readdirSync(tasks).every(isStopped), 5_000)
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { readonly port: number }).port)),
        ),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
