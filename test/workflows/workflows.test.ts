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
  readonly permissions?: Record<string, string>
  readonly environment?: string
  readonly uses?: string
  readonly 'timeout-minutes'?: number
  readonly concurrency?: { readonly group: string; readonly queue?: string; readonly 'cancel-in-progress'?: boolean }
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> }[]
}
interface Workflow {
  readonly permissions?: Record<string, string>
  readonly jobs: Record<string, Job>
}
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const workflow = (file: string): Workflow => parse(text(file)) as Workflow
const jobs = (file: string): [string, Job][] => Object.entries(workflow(file).jobs)

describe.each(files)('%s', (file) => {
  test("is a workflow for GitHub's own parser", () => {
    const result = parseWorkflow({ name: file, content: text(file) }, new NoOperationTraceWriter())
    expect(result.context.errors.getErrors().map((error) => error.message)).toEqual([])
  })

  test('takes no permission at the top, and says in every job which it needs', () => {
    expect(workflow(file).permissions).toEqual({})
    for (const [, job] of jobs(file)) {
      expect(job.permissions).toBeDefined()
      for (const level of Object.values(job.permissions ?? {})) expect(level).toBe('read')
    }
  })

  test('pins every foreign action by commit, with its version beside it', () => {
    for (const [, line = ''] of text(file).matchAll(/uses:\s+(.+)/g)) {
      if (line.startsWith('$/')) continue
      expect(line).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # .+/)
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

describe('the failover workflow', () => {
  const file = '.github/workflows/failover.yml'
  const { plan, execute } = workflow(file).jobs

  test('only the execute job names the protected environment, and it reads the approval back', () => {
    expect(execute?.environment).toBe('${{ inputs.environment }}')
    expect(plan?.environment).toBe('${{ inputs.plan-environment }}')
    expect(execute?.permissions).toEqual({ contents: 'read', actions: 'read' })
  })

  test('the plan job can not write: it gets the credentials of its own environment', () => {
    expect(plan?.permissions).toEqual({ contents: 'read' })
    expect(plan?.steps?.some((step) => step.with?.operation === 'execute')).toBe(false)
  })

  test('hands the digest that the reviewer saw to the execute job, and asks for the target twice', () => {
    const step = execute?.steps?.find((candidate) => candidate.uses === '$/actions/failover')
    expect(step?.with).toMatchObject({
      operation: 'execute',
      digest: '${{ needs.plan.outputs.digest }}',
      confirm: '${{ inputs.to }}',
      to: '${{ inputs.to }}',
    })
  })

  test('deploys and moves of one stack wait for each other, and none is dropped', () => {
    const deploy = workflow('.github/workflows/deploy.yml').jobs.deploy
    expect(execute?.concurrency).toEqual(deploy?.concurrency)
    expect(execute?.concurrency?.queue).toBe('max')
  })
})
