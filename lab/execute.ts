import { type SpawnOptions, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface ExecuteOptions {
  /** Milliseconds until the command is ended by force; a command without an own limit gets one minute. */
  deadline?: number
  signal?: AbortSignal
  input?: string | Readable
  env?: Record<string, string>
  cwd?: string
  /** Called with each complete line of standard output and standard error, to show that something moves. */
  onLine?: (line: string) => void
}

export class CommandFailed extends Error {
  readonly reasonCode = 'lab-command-failed'
  readonly exitCode: number | null
  readonly output: string

  constructor(command: string, exitCode: number | null, why: string, output: string) {
    const tail = output.trim().split('\n').slice(-12).join('\n  ')
    super(`${command}: ${why}${tail === '' ? '' : `\n  ${tail}`}`)
    this.exitCode = exitCode
    this.output = output
  }
}

/**
 * Runs a command to its end and returns its standard output; fails with its last lines when it does not end well in
 * time.
 */
export async function execute(command: string, args: readonly string[], options: ExecuteOptions = {}): Promise<string> {
  const deadline = AbortSignal.timeout(options.deadline ?? 60_000)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  const spawnOptions: SpawnOptions = {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }
  const child = spawn(command, args, spawnOptions)
  const stop = () => child.kill('SIGKILL')
  signal.addEventListener('abort', stop, { once: true })
  const stdout = collect(child.stdout, options.onLine)
  const stderr = collect(child.stderr, options.onLine)
  const fed = feed(options.input, child.stdin)
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
      if (signal.aborted) stop()
    })
    await fed
    const shown = [command, ...args].join(' ').slice(0, 200)
    if (deadline.aborted)
      throw new CommandFailed(
        shown,
        exitCode,
        `no end within ${(options.deadline ?? 60_000) / 1000} s`,
        stdout.text + stderr.text,
      )
    if (signal.aborted) throw new CommandFailed(shown, exitCode, 'interrupted', '')
    if (exitCode !== 0) throw new CommandFailed(shown, exitCode, `exit code ${exitCode}`, stdout.text + stderr.text)
    return stdout.text
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** True when the command ends with 0; used for questions such as "does this link exist". */
export async function succeeds(
  command: string,
  args: readonly string[],
  options: ExecuteOptions = {},
): Promise<boolean> {
  try {
    await execute(command, args, options)
    return true
  } catch (error) {
    if (error instanceof CommandFailed && error.exitCode !== null) return false
    throw error
  }
}

function collect(stream: Readable | null, onLine?: (line: string) => void): { text: string } {
  const collected = { text: '' }
  let rest = ''
  stream?.setEncoding('utf8')
  stream?.on('data', (chunk: string) => {
    collected.text = (collected.text + chunk).slice(-8_000_000)
    if (onLine === undefined) return
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  return collected
}

async function feed(input: string | Readable | undefined, stdin: NodeJS.WritableStream | null): Promise<void> {
  if (input === undefined || stdin === null) return
  // A command may close its input early; its exit code tells whether that was right.
  stdin.on('error', () => {})
  if (typeof input === 'string') stdin.end(input)
  else await pipeline(input, stdin).catch(() => {})
}
