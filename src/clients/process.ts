import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause, setImmediate as turnOfLoop } from 'node:timers/promises'
import { inputError, timeoutError } from '../errors/standby-error.ts'
import { masking } from '../runtime/masking.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import { type ChildPurpose, environmentFor } from './child-environment.ts'
import { eachLine } from './live-lines.ts'

/*
 * Programs are run by `node:child_process` and not by @actions/exec 3.0: that returns neither the process nor its id,
 * takes no signal and no deadline, and starts the child in our own process group (`_getSpawnOptions` passes on `cwd`
 * and `env` alone). So it cannot end a program that is late or cancelled, and its children would go on. It also
 * reports a program that a signal ended with the code null.
 */

export interface ProcessOptions {
  readonly deadline: Milliseconds
  readonly input?: string | Uint8Array
  /** Declared for this program, beside what its purpose gets of our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What of our own environment it gets; `program` when absent. */
  readonly purpose?: ChildPurpose
  readonly cwd?: string
  readonly signal?: AbortSignal
  /** Never shown in an error. */
  readonly secrets?: readonly string[]
  /** Hides further secrets in the text of an error. */
  readonly masked?: (text: string) => string
  /** Hears each line of both streams as soon as it is written, unmasked. */
  readonly live?: (line: string) => void
  /** Bytes of each stream; what is older than its last bytes is dropped. */
  readonly maxOutput?: number
}

export interface ProcessResult {
  /** As a shell counts: 128 + signal number when a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The head of an output was dropped. */
  readonly truncated: boolean
}

const MAX_OUTPUT = 16 * 1024 * 1024
/** From SIGTERM to SIGKILL: helm and kubectl need less to release what they hold. */
const GRACE: Milliseconds = seconds(2)
/**
 * A daemon that a program has started may keep its pipes open forever. What the program itself wrote is in the pipe
 * when it exits.
 */
const PIPE_GRACE: Milliseconds = 300
/**
 * The grace, and then a turn of the event loop: one that was held up runs its timers before it reads what has come
 * meanwhile. The end of a program may be known before its last words are read, when another one ends beside it.
 */
async function pipesWereRead(): Promise<void> {
  await pause(PIPE_GRACE)
  await turnOfLoop()
}

/**
 * Runs a program without a shell, in a process group of its own, to its end or to the deadline. Any exit code is a
 * result. Throws `process-timeout`, `process-not-found`, or the reason of the signal; then the whole group is gone.
 */
export async function runProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<ProcessResult> {
  options.signal?.throwIfAborted()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: environmentFor(options.purpose ?? 'program', options.env),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const stdout = tailOf(child.stdout, options.maxOutput ?? MAX_OUTPUT)
  const stderr = tailOf(child.stderr, options.maxOutput ?? MAX_OUTPUT)
  const { live } = options
  if (live !== undefined) for (const stream of [child.stdout, child.stderr]) eachLine(stream, live)
  const exited = exitOf(child, command, options)
  // A program that does not read its input to the end is no failure of ours: its exit code speaks.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)

  const release = endWithThisProcess(child)
  let stopped: 'late' | 'cancelled' | null = null
  const stop = (why: 'late' | 'cancelled') => () => {
    stopped ??= why
    endGroup(child, exited)
  }
  const timer = setTimeout(stop('late'), options.deadline)
  const cancel = stop('cancelled')
  options.signal?.addEventListener('abort', cancel, { once: true })
  try {
    const code = await exited
    await Promise.race([Promise.all([stdout.ended, stderr.ended]), pipesWereRead()])
    if (stopped === 'cancelled') options.signal?.throwIfAborted()
    if (stopped === 'late') throw tooLate(command, args, options, stderr.text())
    return { code, stdout: stdout.text(), stderr: stderr.text(), truncated: stdout.truncated() || stderr.truncated() }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', cancel)
    child.stdout.destroy()
    child.stderr.destroy()
    release()
  }
}

/** The text with each secret, and what programs commonly make of it, replaced. */
export function maskSecrets(text: string, secrets: readonly string[] = []): string {
  const hidden = masking()
  for (const secret of secrets) hidden.add(secret)
  return hidden.masked(text)
}

const hidden = (text: string, { secrets, masked = (same) => same }: ProcessOptions): string =>
  masked(maskSecrets(text, secrets))

function exitOf(child: ChildProcess, command: string, options: ProcessOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      const missing = error.code === 'ENOENT'
      const what = missing
        ? `${command} was not found`
        : `${command} could not be started (${hidden(error.message, options)})`
      reject(
        inputError('process-not-found', what, { next: `Install ${command} on this machine, or put it on the PATH.` }),
      )
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : (SIGNALS[signal] ?? 0))))
  })
}
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
}

function tooLate(command: string, args: readonly string[], options: ProcessOptions, stderr: string): Error {
  const line = hidden([command, ...args].join(' '), options)
  const last = hidden(stderr, options).trimEnd().split('\n').at(-1)
  const said = last === undefined || last === '' ? 'it said nothing' : `its last words: ${last}`
  return timeoutError('process-timeout', `${line} did not end within ${readableDuration(options.deadline)}; ${said}`, {
    retry: 'transient',
  })
}

function endGroup(child: ChildProcess, exited: Promise<number>): void {
  killGroup(child, 'SIGTERM')
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), GRACE)
  const sweep = (): void => {
    clearTimeout(timer)
    // The leader is gone; what it started and did not wait for goes too.
    killGroup(child, 'SIGKILL')
  }
  exited.then(sweep, sweep)
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // ESRCH: the group is gone already.
  }
}

const running = new Set<ChildProcess>()
const endAll = (): void => {
  for (const child of running) killGroup(child, 'SIGKILL')
}

/** A group of its own does not hear the terminal's Ctrl-C and would outlive us. */
function endWithThisProcess(child: ChildProcess): () => void {
  if (running.size === 0) process.on('exit', endAll)
  running.add(child)
  return () => {
    running.delete(child)
    if (running.size === 0) process.off('exit', endAll)
  }
}

interface Tail {
  readonly ended: Promise<void>
  text(): string
  truncated(): boolean
}

function tailOf(stream: NodeJS.ReadableStream, limit: number): Tail {
  const chunks: Buffer[] = []
  let bytes = 0
  let dropped = false
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    // Whole chunks go, so one more than the limit may stay until `text`.
    while (chunks.length > 1 && bytes - (chunks[0]?.length ?? 0) >= limit) {
      bytes -= chunks.shift()?.length ?? 0
      dropped = true
    }
  })
  return {
    ended: new Promise((resolve) => {
      stream.once('close', resolve)
      stream.once('error', () => resolve())
    }),
    text: () => Buffer.concat(chunks).subarray(-limit).toString('utf8'),
    truncated: () => dropped || bytes > limit,
  }
}
