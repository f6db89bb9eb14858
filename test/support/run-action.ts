import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '..', '..')

export const ACTIONS = {
  status: 'action.yml',
  deploy: 'actions/deploy/action.yml',
  'verify-backup': 'actions/verify-backup/action.yml',
  failover: 'actions/failover/action.yml',
} as const
export type ActionName = keyof typeof ACTIONS

export interface ActionMetadata {
  readonly name: string
  readonly description: string
  readonly inputs: Readonly<
    Record<string, { readonly description: string; readonly required?: boolean; readonly default?: string }>
  >
  readonly outputs: Readonly<Record<string, { readonly description: string }>>
  readonly runs: { readonly using: string; readonly main: string; readonly post?: string }
}

export const metadataOf = (action: ActionName): ActionMetadata =>
  parse(readFileSync(join(root, ACTIONS[action]), 'utf8')) as ActionMetadata

export interface ActionRun {
  readonly exitCode: number | null
  /** What a person sees: every line after masking, commands to the runner left out. */
  readonly log: string
  /** Error annotations, unescaped. */
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
  /** Annotations as the runner reads them, with file and line; masked. */
  readonly commands: readonly string[]
  readonly masked: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  /** The output `result`, parsed. */
  readonly result: { readonly schemaVersion: number; readonly [key: string]: unknown }
  readonly summary: string
  /** All that left the process but the commands that set masks: no secret may be in it. */
  readonly leaked: string
  readonly milliseconds: number
}

export interface ActionStart {
  /** As under `with:`; what is missing gets the default of action.yml. */
  readonly with?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Called with the running process, to send it signals. */
  readonly meanwhile?: (child: ChildProcess) => Promise<void>
}

/** Starts the built bundle of an action as GitHub's runner does, and waits for its end. */
export async function runAction(action: ActionName, start: ActionStart = {}): Promise<ActionRun> {
  const main = join(root, 'dist', `${action}.js`)
  if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`)
  const folder = mkdtempSync(join(tmpdir(), 'standby-runner-'))
  const file = (name: string): string => {
    writeFileSync(join(folder, name), '')
    return join(folder, name)
  }
  const files = { GITHUB_OUTPUT: file('output'), GITHUB_STATE: file('state'), GITHUB_STEP_SUMMARY: file('summary') }
  const began = performance.now()
  const child = spawn(process.execPath, [main], {
    // Nothing of this test's own environment: an action may not depend on it.
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GITHUB_ACTIONS: 'true',
      ...files,
      ...inputsOf(action, start),
      ...start.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const watchdog = setTimeout(() => child.kill('SIGKILL'), 30_000)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  await start.meanwhile?.(child)
  const exitCode = await ended
  clearTimeout(watchdog)
  const milliseconds = performance.now() - began
  const outputs = parseOutputs(readFileSync(files.GITHUB_OUTPUT, 'utf8'))
  const summary = readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8')
  rmSync(folder, { recursive: true, force: true })
  return {
    exitCode,
    ...understood(said, outputs, summary),
    outputs,
    result: JSON.parse(outputs.result ?? 'null'),
    summary,
    milliseconds,
  }
}

/** `INPUT_*` as the runner makes them: spaces become underscores, hyphens stay. */
function inputsOf(action: ActionName, start: ActionStart): Record<string, string> {
  const token = start.env?.GITHUB_TOKEN ?? ''
  const defaults = Object.entries(metadataOf(action).inputs).map(([name, input]) => [
    name,
    input.default?.replace(/\$\{\{ *github\.token *\}\}/, token) ?? '',
  ])
  const given: Record<string, string> = { ...Object.fromEntries(defaults), ...start.with }
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`, value]),
  )
}

/** The runner's reading of what an action says: masks count from the line on that sets them. */
function understood(
  said: string,
  outputs: Readonly<Record<string, string>>,
  summary: string,
): Pick<ActionRun, 'log' | 'errors' | 'warnings' | 'commands' | 'masked' | 'leaked'> {
  const masked: string[] = []
  const hide = (text: string): string => masked.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
  const found: Record<'error' | 'warning' | 'log' | 'other', string[]> = { error: [], warning: [], log: [], other: [] }
  for (const line of said.split('\n')) {
    const [, command, text = ''] = /^::([a-z-]+)(?: [^:]*)?::(.*)$/.exec(line) ?? []
    const value = text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
    if (command === 'add-mask') masked.push(value)
    else if (command === 'error' || command === 'warning') found[command].push(hide(value))
    else if (command === undefined) found.log.push(hide(line))
    else found.other.push(hide(line))
  }
  return {
    log: found.log.join('\n'),
    errors: found.error,
    warnings: found.warning,
    commands: said
      .split('\n')
      .filter((line) => /^::(error|warning) /.test(line))
      .map(hide),
    masked,
    // Outputs and summary are files: the runner masks neither.
    leaked: [...Object.values(found).flat(), ...Object.values(outputs), summary].join('\n'),
  }
}

/** `name<<delimiter`, lines, `delimiter`. */
function parseOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {}
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const [, name, delimiter] = /^([^<]+)<<(.+)$/.exec(lines[at] ?? '') ?? []
    if (name === undefined || delimiter === undefined) continue
    const end = lines.indexOf(delimiter, at + 1)
    outputs[name] = lines.slice(at + 1, end).join('\n')
    at = end
  }
  return outputs
}
