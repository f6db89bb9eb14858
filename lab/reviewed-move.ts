import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { MoveReport, PlanReport } from '../src/operations/reports.ts'
import type { Identity } from '../src/planning/driver.ts'
import { controlGitHub } from './github/control.ts'
import type { LabStack } from './stacks.ts'

const program = join(resolve(import.meta.dirname, '..'), 'dist', 'failover.js')
/** As in the published stack files. */
const ENVIRONMENT = 'production-failover'
const REPOSITORY = 'lab/stacks'

export interface ReviewedMove {
  readonly planned: Pick<PlanReport, 'plan' | 'digest'>
  readonly executed: MoveReport
  /** When the execute job ran, in milliseconds since 1970. */
  readonly window: { readonly from: number; readonly to: number }
}

/**
 * A move as the failover workflow does it: one process plans as the observer, the reviewer approves the run, another process executes as the
 * mover and reads that approval back. The processes are the committed bundle, started as GitHub's runner starts it.
 */
export async function reviewedMove(
  stack: LabStack,
  to: string,
  around: { readonly githubUrl: string; readonly helm: string },
): Promise<ReviewedMove> {
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
      STANDBY_HELM: around.helm,
    }
    const plan = join(folder, 'standby-plan.json')
    const planned = await runJob(stack, 'observer', folder, job, { operation: 'plan', to, plan })
    await github.reachEnvironment(run.id, ENVIRONMENT)
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'reviewer', comment: `digest ${planned.outputs.digest ?? ''}` })
    const from = Date.now()
    const executed = await runJob(stack, 'mover', folder, job, {
      operation: 'execute',
      to,
      plan,
      digest: planned.outputs.digest ?? '',
      confirm: to,
      'github-token': 'token-of-the-job',
    })
    return {
      planned: JSON.parse(planned.outputs.result ?? '{}') as ReviewedMove['planned'],
      executed: JSON.parse(executed.outputs.result ?? '{}') as MoveReport,
      window: { from, to: Date.now() },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One job of a workflow: inputs as INPUT_*, outputs by file. */
async function runJob(
  stack: LabStack,
  identity: Identity,
  folder: string,
  job: Readonly<Record<string, string>>,
  inputs: Readonly<Record<string, string>>,
): Promise<{ readonly outputs: Readonly<Record<string, string>> }> {
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
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  // The runner hides its own commands; so do we.
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => process.stderr.write(part.toString().replaceAll(/^::add-mask::.*\n/gm, '')))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  const values = parseOutputs(await readFile(outputs, 'utf8'))
  if (values.result === undefined) throw new Error(`the ${inputs.operation} job ended with ${code} and without a result`)
  if (code !== 0 && inputs.operation === 'plan') throw new Error(`the plan job ended with ${code}: ${values['reason-code'] ?? ''}`)
  if ((JSON.parse(values.result) as { error?: { what: string } }).error !== undefined)
    throw new Error(`the ${inputs.operation} job was refused: ${values.result}`)
  return { outputs: values }
}

/** `name<<delimiter`, lines, `delimiter`: how a runner hands outputs on. */
function parseOutputs(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map((match) => [match[1] ?? '', match[3] ?? '']))
}
