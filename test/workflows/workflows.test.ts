import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { data, Evaluator, Lexer, Parser } from '@actions/expressions'
import { NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { MODES } from '../../src/domain/plan.ts'

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
  readonly 'runs-on'?: string
  readonly needs?: string | readonly string[]
  readonly outputs?: Record<string, string>
  readonly 'timeout-minutes'?: number
  readonly concurrency?: { readonly group: string; readonly queue?: string; readonly 'cancel-in-progress'?: boolean }
  readonly steps?: readonly { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> }[]
}
interface Workflow {
  readonly 'run-name'?: string
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
        const { inputs } = parse(text(join(action, 'action.yml'))) as {
          readonly inputs: Record<string, { readonly required?: boolean }>
        }
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
        if (step.uses?.startsWith('actions/checkout@'))
          expect(step.with).toMatchObject({ 'persist-credentials': false })
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

test('the failover template offers every mode of a move', () => {
  const { on } = parse(text('workflows/failover.yml')) as {
    readonly on: { readonly workflow_dispatch: { readonly inputs: { readonly mode: { readonly options: string[] } } } }
  }
  expect(on.workflow_dispatch.inputs.mode.options).toEqual([...MODES])
})

test('every published stack names the environment that the failover template protects', () => {
  const environment = workflow('workflows/failover.yml').jobs.failover?.with?.environment
  // One that has no stack file yet deploys by roles alone.
  const published = readdirSync(join(root, 'stacks')).filter((name) =>
    existsSync(join(root, 'stacks', name, 'standby.yaml')),
  )
  for (const name of published) {
    const stack = parse(text(join('stacks', name, 'standby.yaml'))) as {
      readonly approval: { readonly github: object }
    }
    expect(stack.approval.github).toEqual({ environment, branch: 'main' })
  }
})

describe('the failover workflow', () => {
  const file = '.github/workflows/failover.yml'
  const { plan, approve, execute } = workflow(file).jobs

  test('only the execute job names the protected environment, and it reads the approval back', () => {
    expect(execute?.environment).toBe('${{ inputs.environment }}')
    expect(plan?.environment).toBe('${{ inputs.plan-environment }}')
    expect(
      Object.values(workflow(file).jobs).filter((job) => job.environment === '${{ inputs.environment }}'),
    ).toHaveLength(1)
    expect(execute?.permissions).toEqual({ contents: 'read', actions: 'read' })
  })

  test('the plan job cannot write: it gets the credentials of its own environment', () => {
    expect(plan?.permissions).toEqual({ contents: 'read' })
    expect(plan?.steps?.some((step) => step.with?.operation === 'execute')).toBe(false)
  })

  test('hands the digest that the reviewer saw to the execute job, and asks for the target twice', () => {
    const step = execute?.steps?.find((candidate) => candidate.uses === '$/actions/failover')
    expect(step?.with).toMatchObject({
      operation: "${{ inputs.operation == 'move' && 'execute' || inputs.operation }}",
      digest: '${{ needs.plan.outputs.digest || inputs.digest }}',
      confirm: '${{ inputs.to || needs.plan.outputs.to }}',
      to: '${{ inputs.to || needs.plan.outputs.to }}',
    })
  })

  test('executes only after a plan; a run that is continued skips the plan job, whose plan lies in the witness', () => {
    expect(plan?.if).toBe("${{ inputs.operation == 'move' }}")
    expect(execute?.if).toBe(
      "${{ !cancelled() && needs.review.result == 'success' && (needs.approve.result == 'success' || needs.approve.result == 'skipped') && (needs.plan.result == 'success' || (needs.plan.result == 'skipped' && inputs.operation != 'move')) }}",
    )
  })

  test('waits for every further environment, and holds no credential while it does', () => {
    expect(approve).toMatchObject({ environment: '${{ matrix.environment }}', permissions: {} })
    expect(approve?.strategy?.matrix).toEqual({ environment: '${{ fromJSON(inputs.further-environments) }}' })
    expect(approve?.if).toMatch(
      /^\${{ inputs\.further-environments != '\[\]' && !cancelled\(\) && needs\.review\.result == 'success' && /,
    )
    expect(text(file).match(/secrets\.STANDBY_CREDENTIALS/g)).toHaveLength(2)
    expect(JSON.stringify(approve)).not.toContain('secrets')
  })

  test('fetches the very plan that was shown, by its digest', () => {
    const stepOf = (job: Job | undefined, action: string) =>
      job?.steps?.find((step) => step.uses?.startsWith(`actions/${action}@`))
    expect(stepOf(plan, 'upload-artifact')?.with?.name).toBe('standby-plan-${{ steps.plan.outputs.digest }}')
    expect(stepOf(execute, 'download-artifact')?.with?.name).toBe('standby-plan-${{ needs.plan.outputs.digest }}')
  })

  test('deploys and moves of one stack wait for each other, and none is dropped', () => {
    const deploy = workflow('.github/workflows/deploy.yml').jobs.deploy
    expect(execute?.concurrency).toEqual(deploy?.concurrency)
    expect(execute?.concurrency?.queue).toBe('max')
  })
})

describe('the request, as the failover workflow shows it before the approval', () => {
  const file = '.github/workflows/failover.yml'
  const { review, plan, approve, execute } = workflow(file).jobs
  const digest = 'a1'.repeat(32)
  const MOVE = {
    OPERATION: 'move',
    MODE: 'switchover',
    TO: 'dc-b',
    RUN: '',
    DIGEST: '',
    STACK: 'standby.yaml',
    LOSS: '',
    PLAN: 'production-observe',
    EXECUTE: 'production-failover',
    FURTHER: '[]',
  }
  const RESUME = { ...MOVE, OPERATION: 'resume', RUN: '20261129T164000Z-0a1b2c3d', DIGEST: digest }

  /** The very script of the job, with inputs as its environment. */
  function reviewOf(given: Readonly<Record<string, string>>) {
    const folder = mkdtempSync(join(tmpdir(), 'standby-review-'))
    try {
      const files = { GITHUB_STEP_SUMMARY: join(folder, 'summary'), GITHUB_OUTPUT: join(folder, 'output') }
      for (const path of Object.values(files)) writeFileSync(path, '')
      const env = {
        PATH: process.env.PATH,
        GITHUB_SHA: 'c'.repeat(40),
        GITHUB_TRIGGERING_ACTOR: 'sam',
        ...files,
        ...given,
      }
      const ended = spawnSync(
        'bash',
        ['--noprofile', '--norc', '-eo', 'pipefail', '-c', review?.steps?.[0]?.run ?? 'exit 9'],
        { env },
      )
      return {
        status: ended.status,
        said: String(ended.stdout) + String(ended.stderr),
        summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8'),
        output: readFileSync(files.GITHUB_OUTPUT, 'utf8'),
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  test('comes before every gate, from a job without credentials, environment or permissions', () => {
    expect(review?.permissions).toEqual({})
    expect(review?.environment).toBeUndefined()
    expect(JSON.stringify(review)).not.toContain('secrets')
    expect(plan?.needs).toBe('review')
    expect([approve?.needs, execute?.needs]).toEqual([
      ['review', 'plan'],
      ['review', 'plan', 'approve'],
    ])
    for (const job of [approve, execute]) expect(job?.name).toContain('needs.review.outputs.title')
  })

  test.each([
    [{ ...MOVE }, 'Move to dc-b (switchover)', 'the plan that the plan job'],
    [RESUME, `Resume run ${RESUME.RUN} towards dc-b`, 'goes on from where its runner died'],
    [{ ...RESUME, OPERATION: 'abort' }, `Take back run ${RESUME.RUN} towards dc-b`, 'is taken back'],
    [{ ...RESUME, RUN: '' }, 'Resume the run that left its lock towards dc-b', 'goes on from where its runner died'],
  ])('names the operation, the run, the site, the digest and the stack file: %j', (given, title, means) => {
    const { status, summary, output, said } = reviewOf(given)
    expect([status, said]).toEqual([0, ''])
    expect(output).toBe(`title=${title}\n`)
    for (const part of [`### ${title}`, means, '`standby.yaml`', '`dc-b`', '`sam`', given.DIGEST, given.RUN])
      expect(summary).toContain(part)
  })

  test.each([
    ['operation', { ...MOVE, OPERATION: 'execute' }],
    ['operation', { ...MOVE, OPERATION: 'Resume' }],
    ['to', { ...MOVE, TO: 'dc-b\n::set-output' }],
    ['to', { ...RESUME, TO: '' }],
    ['to', { ...RESUME, OPERATION: 'abort', TO: '' }],
    ['run', { ...RESUME, RUN: 'r1 of dc-a | `x`' }],
    ['run', { ...RESUME, RUN: 'r'.repeat(101) }],
    ['digest', { ...RESUME, DIGEST: '' }],
    ['digest', { ...RESUME, OPERATION: 'abort', DIGEST: digest.slice(1) }],
    ['plan-environment', { ...MOVE, PLAN: 'Production-Failover' }],
    ['plan-environment', { ...MOVE, PLAN: 'second', FURTHER: '["Second", "third"]' }],
    ['environment', { ...MOVE, EXECUTE: 'Failover', FURTHER: '["second","failover"]' }],
    ['further-environments', { ...MOVE, FURTHER: '["second", "third", "SECOND"]' }],
    ['further-environments', { ...MOVE, FURTHER: '["\\u0073econd"]' }],
  ])('is refused where %s cannot be what was meant, with nothing to approve: %j', (input, given) => {
    const { status, summary, output, said } = reviewOf(given)
    expect([status, summary, output]).toEqual([1, '', ''])
    expect(said).toMatch(/^::error::[^\n]*\n$/)
    expect(said).toContain(input)
  })

  test('says that the plan names the site where none is named; then those who approve read the site that the plan chose', () => {
    const { status, summary, output } = reviewOf({ ...MOVE, TO: '' })
    expect([status, output]).toEqual([0, 'title=Move to the preferred site (switchover)\n'])
    expect(summary).toContain('| target site | `the preferred one: the plan job names it` |')
    expect(plan?.outputs).toMatchObject({ to: '${{ steps.plan.outputs.to }}' })
    for (const job of [approve, execute])
      expect(job?.name).toContain("format('Move to {0} ({1})', needs.plan.outputs.to, inputs.mode)")
  })

  test('takes several environments, each named once', () => {
    expect(reviewOf({ ...MOVE, FURTHER: '["second", "third"]' }).status).toBe(0)
  })

  test('shows what people typed as text, bounded, and runs none of it', () => {
    const evil = '`$(touch /nowhere)`\n\n### Approved | <img src=x> [click](http://x) "; exit 0; "'
    const { status, summary, output } = reviewOf({
      ...MOVE,
      STACK: evil,
      LOSS: evil,
      MODE: `${evil}${'x'.repeat(5_000)}`,
    })
    expect(status).toBe(0)
    expect(output.split('\n')).toHaveLength(2)
    expect(summary.split('\n')).toHaveLength(reviewOf({ ...MOVE, LOSS: '5m' }).summary.split('\n').length)
    expect(summary.length).toBeLessThan(2_500)
    expect(summary).not.toMatch(/[<>[\]$]/)
  })

  test('every job runs where the caller wants it', () => {
    const where = "${{ startsWith(inputs.runs-on, '[') && fromJSON(inputs.runs-on) || inputs.runs-on }}"
    for (const job of Object.values(workflow(file).jobs)) expect(job['runs-on']).toBe(where)
  })

  test('the plan job hands its environment to the action, which knows all those that the stack file names', () => {
    const step = plan?.steps?.find((candidate) => candidate.uses === '$/actions/failover')
    expect(step?.with?.['plan-environment']).toBe('${{ inputs.plan-environment }}')
  })

  test.each([
    [{ operation: 'move', to: 'dc-b', mode: 'rejoin', run: '' }, 'Move to dc-b (rejoin)'],
    [{ operation: 'resume', to: 'dc-b', mode: 'switchover', run: 'r1' }, 'Resume run r1 towards dc-b'],
    [{ operation: 'abort', to: 'dc-b', mode: 'switchover', run: '' }, 'Take back run that left its lock towards dc-b'],
  ])("the list of GitHub's runs says it too: %j", (inputs, expected) => {
    const [, expression = ''] = /^\${{ (.*) }}$/.exec(workflow('workflows/failover.yml')['run-name'] ?? '') ?? []
    const pairs = Object.entries(inputs).map(([key, value]) => ({ key, value: new data.StringData(value) }))
    const context = new data.Dictionary({ key: 'inputs', value: new data.Dictionary(...pairs) })
    const tree = new Parser(new Lexer(expression).lex().tokens, ['inputs'], []).parse()
    expect(new Evaluator(tree, context).evaluate().coerceString()).toBe(expected)
  })
})
