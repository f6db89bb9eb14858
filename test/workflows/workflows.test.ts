import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '../..')
const files = ['.github/workflows', 'workflows'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join(folder, name)),
)

interface Job {
  readonly name?: string
  readonly if?: string
  readonly secrets?: unknown
  readonly with?: Record<string, unknown>
  readonly permissions?: Record<string, string>
  readonly environment?: string
  readonly strategy?: { readonly matrix?: Record<string, unknown> }
  readonly uses?: string
  readonly 'timeout-minutes'?: number
  readonly concurrency?: { readonly group: string; readonly queue?: string; readonly 'cancel-in-progress'?: boolean }
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> }[]
}
interface Workflow {
  readonly on: { readonly workflow_call?: { readonly inputs?: Record<string, { readonly required?: boolean }> } }
  readonly permissions?: Record<string, string>
  readonly jobs: Record<string, Job>
}
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const workflow = (file: string): Workflow => parse(text(file)) as Workflow
const jobs = (file: string): [string, Job][] => Object.entries(workflow(file).jobs)

/** Only known inputs, and every required one. */
function expectCall(given: Record<string, unknown>, inputs: Record<string, { readonly required?: boolean }>): void {
  const required = Object.entries(inputs).filter(([, input]) => input.required === true)
  expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(given)))
  expect(Object.keys(given)).toEqual(expect.arrayContaining(required.map(([name]) => name)))
}

describe.each(files)('%s', (file) => {
  test("is a workflow for GitHub's own parser", () => {
    const result = parseWorkflow({ name: file, content: text(file) }, new NoOperationTraceWriter())
    expect(result.context.errors.getErrors().map((error) => error.message)).toEqual([])
  })

  test('takes no permission at the top, and says in every job which it needs', () => {
    expect(workflow(file).permissions).toEqual({})
    for (const [, job] of jobs(file)) {
      expect(job.permissions).toBeDefined()
      // Only what publishes a release writes to GitHub; what deploys and moves writes to the sites.
      const levels = Object.values(job.permissions ?? {})
      if (job.environment !== 'release') for (const level of levels) expect(level).toBe('read')
    }
  })

  test('pins every foreign action by commit, with its version beside it', () => {
    for (const [, line = ''] of text(file).matchAll(/uses:\s+(.+)/g)) {
      if (line.startsWith('$/')) continue
      expect(line).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # (v\d+\.\d+\.\d+$|yours: )/)
    }
  })

  test('gives the actions of this repository inputs that they have, and all that they require', () => {
    for (const [, job] of jobs(file))
      for (const step of job.steps ?? []) {
        const action = /^\$\/(actions\/[\w-]+)$/.exec(step.uses ?? '')?.[1]
        if (action === undefined) continue
        const { inputs } = parse(text(join(action, 'action.yml'))) as { readonly inputs: Record<string, { readonly required?: boolean }> }
        expectCall(step.with ?? {}, inputs)
      }
  })

  test('bounds every job in time', () => {
    for (const [, job] of jobs(file)) if (job.uses === undefined) expect(job['timeout-minutes']).toBeGreaterThan(0)
  })

  test('pastes no expression into a shell, and leaves no token in the checkout', () => {
    for (const [, job] of jobs(file))
      for (const step of job.steps ?? []) {
        if (step.run !== undefined) expect(step.run).not.toContain('${{')
        if (step.uses?.startsWith('actions/checkout@')) expect(step.with).toMatchObject({ 'persist-credentials': false })
      }
  })

  test('never cancels what is running', () => {
    expect(text(file)).not.toMatch(/cancel-in-progress:\s*true/)
  })
})

const callers = readdirSync(join(root, 'workflows')).map((name) => join('workflows', name))

describe.each(callers)('the template %s', (file) => {
  const calls = jobs(file).flatMap(([, job]) => {
    const called = /^standby-dr\/standby\/(\.github\/workflows\/[\w-]+\.yml)@/.exec(job.uses ?? '')?.[1]
    return called === undefined ? [] : [{ job, called: workflow(called) }]
  })

  test('calls a workflow that exists, with inputs that it has', () => {
    expect(calls).toHaveLength(jobs(file).length)
    for (const { job, called } of calls) expectCall(job.with ?? {}, called.on.workflow_call?.inputs ?? {})
  })

  test('grants what the called jobs ask for: GitHub refuses to start a call that asks for more', () => {
    for (const { job, called } of calls)
      for (const inner of Object.values(called.jobs)) expect(job.permissions).toMatchObject(inner.permissions ?? {})
  })

  test('lets the secrets of the called environments through', () => {
    for (const { job } of calls) expect(job.secrets).toBe('inherit')
  })
})

test('every published stack names the environment that the failover template protects', () => {
  const environment = workflow('workflows/failover.yml').jobs.failover?.with?.environment
  for (const name of readdirSync(join(root, 'stacks'))) {
    const stack = parse(text(join('stacks', name, 'standby.yaml'))) as { readonly approval: { readonly github: object } }
    expect(stack.approval.github).toEqual({ environment, branch: 'main' })
  }
})

describe('the failover workflow', () => {
  const file = '.github/workflows/failover.yml'
  const { plan, approve, execute } = workflow(file).jobs

  test('only the execute job names the protected environment, and it reads the approval back', () => {
    expect(execute?.environment).toBe('${{ inputs.environment }}')
    expect(plan?.environment).toBe('${{ inputs.plan-environment }}')
    expect(Object.values(workflow(file).jobs).filter((job) => job.environment === '${{ inputs.environment }}')).toHaveLength(1)
    expect(execute?.permissions).toEqual({ contents: 'read', actions: 'read' })
  })

  test('the plan job can not write: it gets the credentials of its own environment', () => {
    expect(plan?.permissions).toEqual({ contents: 'read' })
    expect(plan?.steps?.some((step) => step.with?.operation === 'execute')).toBe(false)
  })

  test('hands the digest that the reviewer saw to the execute job, and asks for the target twice', () => {
    const step = execute?.steps?.find((candidate) => candidate.uses === '$/actions/failover')
    expect(step?.with).toMatchObject({
      operation: "${{ inputs.operation == 'move' && 'execute' || inputs.operation }}",
      digest: '${{ needs.plan.outputs.digest || inputs.digest }}',
      confirm: '${{ inputs.to }}',
      to: '${{ inputs.to }}',
    })
  })

  test('executes only behind a plan; a run that is continued skips the plan job, whose plan lies in the witness', () => {
    expect(plan?.if).toBe("${{ inputs.operation == 'move' }}")
    expect(execute?.if).toBe(
      "${{ !cancelled() && (needs.approve.result == 'success' || needs.approve.result == 'skipped') && (needs.plan.result == 'success' || (needs.plan.result == 'skipped' && inputs.operation != 'move')) }}",
    )
  })

  test('waits for every further environment, and holds no credential while it does', () => {
    expect(approve).toMatchObject({ environment: '${{ matrix.environment }}', permissions: {} })
    expect(approve?.strategy?.matrix).toEqual({ environment: '${{ fromJSON(inputs.further-environments) }}' })
    expect(approve?.if).toMatch(/^\${{ inputs\.further-environments != '\[\]' && !cancelled\(\) && /)
    expect(text(file).match(/secrets\.STANDBY_CREDENTIALS/g)).toHaveLength(2)
    expect(JSON.stringify(approve)).not.toContain('secrets')
  })

  test('fetches the very plan that was shown, by its digest', () => {
    const stepOf = (job: Job | undefined, action: string) => job?.steps?.find((step) => step.uses?.startsWith(`actions/${action}@`))
    expect(stepOf(plan, 'upload-artifact')?.with?.name).toBe('standby-plan-${{ steps.plan.outputs.digest }}')
    expect(stepOf(execute, 'download-artifact')?.with?.name).toBe('standby-plan-${{ needs.plan.outputs.digest }}')
  })

  test('refuses an environment for the plan that approves as well, the first or a further one: it would be approved before there is a plan', async () => {
    const check = plan?.steps?.find((step) => step.run !== undefined)
    const run = (PLAN: string, EXECUTE: string, FURTHER = '[]'): number | null =>
      spawnSync('bash', ['-e', '-c', check?.run ?? ''], { env: { PATH: process.env.PATH, PLAN, EXECUTE, FURTHER } }).status
    expect(run('production-observe', 'production-failover')).toBe(0)
    expect(run('Production-Failover', 'production-failover')).toBe(1)
    expect(run('observe', 'failover', '["second", "third"]')).toBe(0)
    expect(run('second', 'failover', '["Second", "third"]')).toBe(1)
    expect(run('observe', 'Failover', '["second","failover"]')).toBe(1)
    expect(plan?.steps?.indexOf(check ?? {})).toBe(0)
  })

  test('deploys and moves of one stack wait for each other, and none is dropped', () => {
    const deploy = workflow('.github/workflows/deploy.yml').jobs.deploy
    expect(execute?.concurrency).toEqual(deploy?.concurrency)
    expect(execute?.concurrency?.queue).toBe('max')
  })
})
