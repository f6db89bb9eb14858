import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { controlGitHub, type GitHubControl } from '../../lab/github/control.ts'
import { startGitHubFake } from '../../lab/github/server.ts'
import type { Plan } from '../../src/domain/plan.ts'
import { digestOf } from '../../src/planning/plan-digest.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { type ActionRun, runAction } from '../support/run-action.ts'
import { blackHole, planText, type SmallStack, smallStack } from '../support/small-stack.ts'

jest.setTimeout(60_000)

const ENVIRONMENT = 'production-failover'
// Addresses for documentation: a process that asks the sites before the approval is judged waits for ever, and fails
// these tests.
const kubeconfig = kubeconfigOf({ url: 'https://192.0.2.1' })
const stack = smallStack({ kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig }, storage: 'http://192.0.2.1:9' })

/** The plan that the plan job of this run wrote. */
function planOf(run: { readonly id: number }): { readonly path: string; readonly digest: string } {
  const text = planText({ madeIn: `https://github.com/acme/stacks/actions/runs/${run.id}` })
  const path = join(stack.folder, `plan-${run.id}.json`)
  writeFileSync(path, text)
  return { path, digest: digestOf(JSON.parse(text) as Plan) }
}

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let github: GitHubControl
beforeAll(async () => {
  fake = await startGitHubFake({ repository: 'acme/stacks' })
  github = controlGitHub(fake.url)
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

function execute(
  run: { readonly id: number; readonly sha: string },
  more: Readonly<Record<string, string>> = {},
  on: { readonly stack?: SmallStack; readonly plan?: ReturnType<typeof planOf> } = {},
): Promise<ActionRun> {
  const { path, digest } = on.plan ?? planOf(run)
  return runAction('failover', {
    with: {
      stack: (on.stack ?? stack).path,
      operation: 'execute',
      to: 'dc-b',
      confirm: 'dc-b',
      plan: path,
      digest: more.digest ?? digest,
    },
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
}

function expectRefused(run: ActionRun, code: string): void {
  expect(run.errors.join('\n')).toContain(code)
  expect(run.outputs).toEqual(expect.objectContaining({ decision: 'stop', 'reason-code': code }))
  expect(run.exitCode).toBe(1)
  expect(run.errors.join('\n')).toContain('Nothing was changed')
  expect(run.leaked).not.toContain('ghs_the_token')
}

describe('a gate that does not hold is refused before anything is asked or changed', () => {
  test('when no reviewer approved', async () => {
    await protect()
    expectRefused(await execute(await waitingRun()), 'not-approved')
  })

  test('when no reviewer approved, also where GitHub is asked through a proxy', async () => {
    await protect()
    const tunnels: string[] = []
    const proxy = createServer((_, response) => response.writeHead(501).end())
    proxy.on('connect', (request, client) => {
      tunnels.push(request.url ?? '')
      const [host = '', port = ''] = (request.url ?? '').split(':')
      const server = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        server.pipe(client).pipe(server)
      })
      for (const end of [server, client]) end.on('error', () => [server, client].map((one) => one.destroy()))
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    expectRefused(await execute(await waitingRun(), { HTTP_PROXY: address, HTTPS_PROXY: address }), 'not-approved')
    expect(tunnels).toContain(new URL(fake.url).host)
    proxy.closeAllConnections()
    proxy.close()
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
    ['has no reviewers', { reviewers: [] }, 'environment-unprotected'],
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

test('a plan of another run is refused, although its own digest is handed over with it', async () => {
  await protect()
  const [run, other] = [await waitingRun(), await waitingRun()]
  await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
  expectRefused(await execute(run, {}, { plan: planOf(other) }), 'plan-of-another-run')
})

test('where two environments are declared, one reviewer in both is one too few, and no approval in one of them is no approval', async () => {
  const second = 'production-failover-second'
  const two = smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    storage: 'http://192.0.2.1:9',
    approval: `{ github: { environments: [${ENVIRONMENT}, ${second}], branch: main } }`,
  })
  await protect({ reviewers: ['rita', 'ravi'] })
  await protect({ name: second, reviewers: ['rita', 'ravi'] })
  const reviewed = async (reviewers: readonly string[]): Promise<ActionRun> => {
    const run = await waitingRun()
    await github.reachEnvironment(run.id, second)
    for (const [index, reviewer] of reviewers.entries())
      await github.review(run.id, { environment: index === 0 ? ENVIRONMENT : second, reviewer })
    return execute(run, {}, { stack: two })
  }
  expectRefused(await reviewed(['rita']), 'not-approved')
  expectRefused(await reviewed(['rita', 'rita']), 'approvers-too-few')
  expect((await reviewed(['rita', 'ravi'])).outputs['reason-code']).toBe('plan-stale')
})

test('a plan without an approval is refused before any credential of a site is read', async () => {
  await protect()
  const run = await execute(await waitingRun(), { KUBECONFIG_DC_A: 'no kubeconfig', STORE_SECRET: '' })
  expectRefused(run, 'not-approved')
})

describe('a gate that cannot be read has not been shown to exist', () => {
  test.each([
    ['another repository', { GITHUB_REPOSITORY: 'acme/other' }, 'environment-missing'],
    ['an API that refuses connections', { GITHUB_API_URL: 'http://127.0.0.1:1' }, 'approval-unreadable'],
  ])('%s', async (_name, env, code) => {
    await protect()
    const run = await waitingRun()
    await github.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    expectRefused(await execute(run, env), code)
  })

  test('an API that never answers, within 25 s', async () => {
    const hole = await blackHole()
    const run = await execute(await waitingRun(), { GITHUB_API_URL: `http://127.0.0.1:${hole.port}` })
    await hole.stop()
    expectRefused(run, 'approval-unreadable')
    // 15 s for GitHub, and 3 s for a record in a witness that is silent too.
    expect(run.milliseconds).toBeLessThan(25_000)
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
  // The plan was made by hand, of another state of the stack file: the check after the approval refuses it, before any
  // site is asked.
  expect(ended.outputs['reason-code']).toBe('plan-stale')
  expect(ended.result).toEqual(expect.objectContaining({ verdict: 'refused', epoch: { before: 1, after: 1 } }))
})
