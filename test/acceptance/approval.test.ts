import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { controlGitHub, type GitHubControl } from '../../lab/github/control.ts'
import { startGitHubFake } from '../../lab/github/server.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { type ActionRun, runAction } from '../support/run-action.ts'
import { runCli } from '../support/run-cli.ts'
import { blackHole, planText, smallStack } from '../support/small-stack.ts'

jest.setTimeout(60_000)

const ENVIRONMENT = 'production-failover'
// Addresses for documentation: whoever asks the sites before the approval is judged waits for ever, and fails these tests.
const kubeconfig = kubeconfigOf({ url: 'https://192.0.2.1' })
const stack = smallStack({ kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig }, storage: 'http://192.0.2.1:9' })
const plan = join(stack.folder, 'plan.json')

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let github: GitHubControl
let digest: string
beforeAll(async () => {
  fake = await startGitHubFake({ repository: 'acme/stacks' })
  github = controlGitHub(fake.url)
  writeFileSync(plan, planText())
  digest = (await runCli(['digest', plan])).stdout.trim()
})
afterAll(() => fake.stop())

/** The environment as it should be. */
const protect = (more: Partial<Parameters<GitHubControl['environment']>[0]> = {}): Promise<void> =>
  github.environment({ name: ENVIRONMENT, reviewers: ['rita'], ...more })

/** A run that sam started and that waits for its reviewer. */
async function waitingRun(): Promise<{ readonly id: number; readonly sha: string }> {
  const run = await github.startRun({ actor: 'sam' })
  await github.reachEnvironment(run.id, ENVIRONMENT)
  return run
}

const execute = (run: { readonly id: number; readonly sha: string }, more: Readonly<Record<string, string>> = {}): Promise<ActionRun> =>
  runAction('failover', {
    with: { stack: stack.path, operation: 'execute', to: 'dc-b', confirm: 'dc-b', plan, digest: more.digest ?? digest },
    env: {
      ...stack.env,
      GITHUB_TOKEN: 'ghs_the_token',
      GITHUB_API_URL: fake.url,
      GITHUB_REPOSITORY: 'acme/stacks',
      GITHUB_RUN_ID: String(run.id),
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_SHA: run.sha,
      GITHUB_REF: 'refs/heads/main',
      ...more,
    },
  })

function expectRefused(run: ActionRun, code: string): void {
  expect(run.errors.join('\n')).toContain(code)
  expect(run.outputs).toEqual(expect.objectContaining({ decision: 'stop', 'reason-code': code }))
  expect(run.exitCode).toBe(1)
  expect(run.errors.join('\n')).toContain('Nothing was changed')
  expect(run.leaked).not.toContain('ghs_the_token')
}

describe('a gate that does not hold is refused before anything is asked or changed', () => {
  test('when nobody approved', async () => {
    await protect()
    expectRefused(await execute(await waitingRun()), 'not-approved')
  })

  test('when the reviewer said no', async () => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', state: 'rejected' })
    expectRefused(await execute(run), 'approval-rejected')
  })

  test('when who started the run approved it', async () => {
    await protect({ reviewers: ['sam'], preventSelfReview: false })
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'sam' })
    expectRefused(await execute(run), 'self-review-allowed')
    // The rule was mended after the approval: the approval is worth nothing all the same.
    await protect({ reviewers: ['sam', 'rita'] })
    expectRefused(await execute(run), 'approver-is-requester')
  })

  const settings: [string, Parameters<typeof protect>[0], string][] = [
    ['asks nobody', { reviewers: [] }, 'environment-unprotected'],
    ['lets administrators pass', { adminsCanBypass: true }, 'admins-can-bypass'],
    ['is open to every branch', { branches: null }, 'branch-policy-open'],
    ['is open to one branch too many', { branches: ['main', 'release/*'] }, 'branch-policy-open'],
    ['lets people approve themselves', { preventSelfReview: false }, 'self-review-allowed'],
    ['has lost the one who approved', { reviewers: ['olga'] }, 'approver-not-reviewer'],
  ]
  test.each(settings)('when the environment %s', async (_name, more, code) => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    await protect(more)
    expectRefused(await execute(run), code)
  })

  test('when the run was started again: its approval belongs to the first attempt', async () => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    await github.rerun(run.id)
    expectRefused(await execute(run, { GITHUB_RUN_ATTEMPT: '2' }), 'rerun-refused')
  })

  test('when main has moved on since', async () => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    await github.moveBranch('main', 'c'.repeat(40))
    expectRefused(await execute(run), 'branch-moved')
    await github.moveBranch('main', run.sha)
  })

  test('when the plan is not the one that was approved', async () => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    expectRefused(await execute(run, { digest: 'a1'.repeat(32) }), 'digest-mismatch')
  })

  test('when the approval was given to another run', async () => {
    await protect()
    const approved = await waitingRun()
    await github.review(approved.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    expectRefused(await execute(await waitingRun()), 'not-approved')
  })
})

describe('a gate that can not be read has not been shown to exist', () => {
  test.each([
    ['another repository', { GITHUB_REPOSITORY: 'acme/other' }, 'environment-missing'],
    ['an API that refuses connections', { GITHUB_API_URL: 'http://127.0.0.1:1' }, 'approval-unreadable'],
  ])('%s', async (_name, env, code) => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    expectRefused(await execute(run, env), code)
  })

  test('an API that never answers, within 20 s', async () => {
    const hole = await blackHole()
    const run = await execute(await waitingRun(), { GITHUB_API_URL: `http://127.0.0.1:${hole.port}` })
    await hole.stop()
    expectRefused(run, 'approval-unreadable')
    expect(run.milliseconds).toBeLessThan(20_000)
  })

  test('a job without a run', async () => {
    const run = await execute(await waitingRun(), { GITHUB_RUN_ID: '' })
    expect(run.outputs['reason-code']).toBe('not-in-github')
  })
})

test('a good approval is taken, and the sites are asked only then', async () => {
  await protect()
  const run = await waitingRun()
  await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', comment: 'go' })
  const ended = await execute(run)
  // The plan was made by hand, of another state of the stack file: the guard behind the approval refuses it, before any site is asked.
  expect(ended.outputs['reason-code']).toBe('plan-stale')
  expect(ended.result).toEqual(expect.objectContaining({ verdict: 'refused', epoch: { before: 1, after: 1 } }))
})
