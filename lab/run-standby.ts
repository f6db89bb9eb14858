import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Identity } from '../src/domain/identities.ts'
import type { PreparedStack } from './prepared-stack.ts'

const program = join(resolve(import.meta.dirname, '..'), 'dist', 'cli.js')

/** What one command ended with. */
export interface CommandResult<Result> {
  readonly code: number
  readonly result: Result
  readonly durationMs: number
}

export interface CommandOptions {
  /** Path of helm, for a stack that has Helm releases. */
  readonly helm?: string | undefined
  readonly quiet?: boolean
  /** Receives each line of the log, which is not shown then. */
  readonly onLine?: ((line: string) => void) | undefined
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs the built command line as one identity; what it warns of goes to our stderr, its result comes back as JSON, and
 * it shows no progress then.
 */
export async function runStandby<Result>(
  stack: PreparedStack,
  identity: Identity,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult<Result>> {
  const begun = performance.now()
  const env = { ...process.env, ...(await stack.environmentOf(identity)), ...helmFor(options), ...options.env }
  const child = spawn(process.execPath, [program, '--stack', stack.path, '--json', ...args], {
    env,
    stdio: ['ignore', 'pipe', loggedTo(options)],
  })
  const { onLine } = options
  if (child.stderr !== null && onLine !== undefined) createInterface({ input: child.stderr }).on('line', onLine)
  const stdout: Buffer[] = []
  child.stdout?.on('data', (part: Buffer) => stdout.push(part))
  const code = await new Promise<number>((done, failed) => {
    child.once('error', failed)
    child.once('close', (exit) => done(exit ?? 1))
  })
  const text = Buffer.concat(stdout).toString('utf8')
  if (text.trim() === '') throw new Error(`standby ${args.join(' ')} ended with ${code} and without a result`)
  return { code, result: JSON.parse(text) as Result, durationMs: performance.now() - begun }
}

const loggedTo = ({ quiet, onLine }: CommandOptions): 'pipe' | 'ignore' | 'inherit' => {
  if (onLine !== undefined) return 'pipe'
  return quiet === true ? 'ignore' : 'inherit'
}

/** How an operation is given its helm; nothing where the stack has no Helm release. */
export const helmFor = ({ helm }: Pick<CommandOptions, 'helm'>): Record<string, string> =>
  helm === undefined ? {} : { STANDBY_HELM: helm }
