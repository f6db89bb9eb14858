import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Identity } from '../src/domain/identities.ts'
import type { Mode } from '../src/domain/plan.ts'
import type { MoveReport, PlanReport } from '../src/evidence/reports.ts'
import { controlGitHub } from './github/control.ts'
import { RUNNER } from './github/state.ts'
import type { PreparedStack } from './prepared-stack.ts'
import { helmFor } from './run-standby.ts'

const program = join(resolve(import.meta.dirname, '..'), 'dist', 'failover.js')
/** As in the published stack files. */
const ENVIRONMENT = 'production-failover'
const REPOSITORY = 'lab/stacks'

/** What is asked for, as the workflow's inputs say it. */
export interface MoveInputs {
  readonly to: string
  readonly mode?: Mode
  readonly 'accept-data-loss'?: string
}

/** The runner is a machine, and dies as one: at the first line of the execute job that matches. */
export interface Around {
  readonly githubUrl: string
  /** Path of helm, for a stack that has Helm releases. */
  readonly helm?: string | undefined
  readonly dieAt?: (line: string) => boolean
  /** Hears when it died; milliseconds since 1970. */
  readonly onDeath?: (at: number) => void
  readonly onLine?: (line: string) => void
  /** Hears the id of the execute job's process. */
  readonly onProcess?: (pid: number) => void
  /** What happens between plan and execution: the reviewer approves when it has. */
  readonly beforeApproval?: () => Promise<void>
}

export interface ReviewedMove {
  readonly planned: Pick<PlanReport, 'plan' | 'digest'>
  readonly executed: MoveReport
  /** When the execute job ran, in milliseconds since 1970. */
  readonly window: { readonly from: number; readonly to: number }
}

/** Nothing was changed: no plan was made, for the reason with this code. */
export class PlanRefused extends Error {
  readonly code: string

  constructor(code: string, exitCode: number | null) {
    super(`the plan job ended with ${exitCode}: ${code}`)
    this.code = code
  }
}

/**
 * A move as the failover workflow does it: one process plans as the observer, the reviewer approves the run, another
 * process executes as the mover and reads that approval back. The processes are the committed bundle, started as
 * GitHub's runner starts it.
 */
export async function reviewedMove(
  stack: PreparedStack,
  inputs: MoveInputs,
  around: Omit<Around, 'dieAt' | 'onDeath'>,
): Promise<ReviewedMove> {
  const { executed, ...others } = await mortalMove(stack, inputs, around)
  if (executed === null) throw new Error('the execute job ended without a result')
  return { ...others, executed }
}

/** The same on a runner that may die; `executed` is null when it did. */
export async function mortalMove(
  stack: PreparedStack,
  inputs: MoveInputs,
  around: Around,
): Promise<Omit<ReviewedMove, 'executed'> & { readonly executed: MoveReport | null }> {
  const { to } = inputs
  const folder = await mkdtemp(join(tmpdir(), 'standby-run-'))
  try {
    const github = controlGitHub(around.githubUrl)
    await github.environment({ name: ENVIRONMENT, reviewers: ['reviewer'], branches: ['main'] })
    const run = await github.startRun({ actor: 'operator', branch: 'main' })
    const job = {
      GITHUB_API_URL: around.githubUrl,
      GITHUB_REPOSITORY: REPOSITORY,
      GITHUB_RUN_ID: String(run.id),
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_REF: `refs/heads/${run.branch}`,
      GITHUB_SHA: run.sha,
      RUNNER_NAME: RUNNER,
      ...helmFor(around),
    }
    const plan = join(folder, 'standby-plan.json')
    const planned = await runJob(stack, 'observer', folder, job, { operation: 'plan', plan, ...inputs })
    await github.reachEnvironment(run.id, ENVIRONMENT)
    await around.beforeApproval?.()
    await github.review(run.id, {
      environment: ENVIRONMENT,
      reviewer: 'reviewer',
      comment: `digest ${planned.outputs.digest ?? ''}`,
    })
    const from = Date.now()
    const asked = {
      operation: 'execute',
      to,
      plan,
      digest: planned.outputs.digest ?? '',
      confirm: to,
      'github-token': 'token-of-the-job',
    }
    const executed = await runJob(stack, 'mover', folder, job, asked, around)
    return {
      planned: JSON.parse(planned.outputs.result ?? '{}') as ReviewedMove['planned'],
      executed: executed.died ? null : (JSON.parse(executed.outputs.result ?? '{}') as MoveReport),
      window: { from, to: Date.now() },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One job of a workflow: inputs as INPUT_*, outputs by file. */
async function runJob(
  stack: PreparedStack,
  identity: Identity,
  folder: string,
  job: Readonly<Record<string, string>>,
  inputs: Readonly<Record<string, string>>,
  { dieAt, onDeath, onLine, onProcess }: Pick<Around, 'dieAt' | 'onDeath' | 'onLine' | 'onProcess'> = {},
): Promise<{ readonly outputs: Readonly<Record<string, string>>; readonly died: boolean }> {
  const outputs = join(folder, `output-${inputs.operation}`)
  const summary = join(folder, `summary-${inputs.operation}`)
  await Promise.all([writeFile(outputs, ''), writeFile(summary, '')])
  const given = Object.fromEntries(
    Object.entries({ stack: stack.path, ...inputs }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
  )
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    ...(await stack.environmentOf(identity)),
    ...job,
    ...given,
    GITHUB_OUTPUT: outputs,
    GITHUB_STEP_SUMMARY: summary,
  }
  // In a group of its own where it dies: a machine takes all its processes with it.
  const child = spawn(process.execPath, [program], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: dieAt !== undefined,
  })
  if (child.pid !== undefined) onProcess?.(child.pid)
  let died = false
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      // The runner hides its own commands; so do we.
      if (line.startsWith('::add-mask::')) return
      process.stderr.write(`${line}\n`)
      onLine?.(line)
      if (died || dieAt?.(line) !== true || child.pid === undefined || child.exitCode !== null) return
      process.kill(-child.pid, 'SIGKILL')
      died = true
      onDeath?.(Date.now())
    })
  const code = await new Promise<number | null>((done) => child.once('close', done))
  if (died) return { outputs: {}, died }
  const values = parseOutputs(await readFile(outputs, 'utf8'))
  if (values.result === undefined)
    throw new Error(`the ${inputs.operation} job ended with ${code} and without a result`)
  if (code !== 0 && inputs.operation === 'plan') throw new PlanRefused(values['reason-code'] ?? '', code)
  if ((JSON.parse(values.result) as { error?: { what: string } }).error !== undefined)
    throw new Error(`the ${inputs.operation} job was refused: ${values.result}`)
  return { outputs: values, died }
}

/** `name<<delimiter`, lines, `delimiter`: how a runner hands outputs on. */
function parseOutputs(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map((match) => [match[1] ?? '', match[3] ?? '']),
  )
}
