import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { readGitHubApproval } from '../../../src/approval/read-approval.ts'
import { openGitHub } from '../../../src/clients/github.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { deployedToy, toyStack, toyWorld } from '../../support/toy-stack.ts'

const ENVIRONMENT = 'production-failover'
/** A while after the toy world's plans are made. */
const NOW = new Date('2026-11-20T12:30:00.000Z')
const stack = {
  ...toyStack,
  approval: { ...toyStack.approval, github: { environments: [ENVIRONMENT], branch: 'main', approvers: 1 } },
}

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let control: GitHubControl
/** What GitHub's answers say of the time. */
let said: Date | null
beforeEach(async () => {
  said = NOW
  fake = await startGitHubFake({ clock: () => said })
  control = controlGitHub(fake.url)
  await control.environment({ name: ENVIRONMENT, reviewers: ['rita', 'ravi'] })
})
afterEach(() => fake.stop())

/** Milliseconds; more than a busy machine needs to answer. */
const DEADLINE = 30_000
const github = (deadline = DEADLINE) =>
  openGitHub({ apiUrl: fake.url, token: 'token', repository: 'lab/stacks', deadline })

const PAGE = 'https://github.com/lab/stacks/actions/runs'

async function plan(run: Run) {
  const { store } = await deployedToy()
  return planFailover(
    toyWorld({ writer: 'dc-a', effects: [] }, store),
    { mode: 'switchover', to: 'dc-b' },
    { madeIn: `${PAGE}/${run.id}` },
  )
}

/** A run that waited for its reviewer and was approved, as it should be. */
async function approvedRun() {
  const run = await control.startRun({ actor: 'otto' })
  await control.reachEnvironment(run.id, ENVIRONMENT)
  await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
  return run
}
type Run = Awaited<ReturnType<typeof approvedRun>>

/** What the runner tells the job that executes. */
const jobOf = (run: Run, sha = run.sha) => ({
  GITHUB_REPOSITORY: 'lab/stacks',
  GITHUB_RUN_ID: String(run.id),
  GITHUB_RUN_ATTEMPT: '1',
  GITHUB_REF: `refs/heads/${run.branch}`,
  GITHUB_SHA: sha,
})

async function read(
  run: Run,
  more: { readonly digest?: string; readonly sha?: string; readonly deadline?: number } = {},
) {
  const report = await plan(run)
  const env = jobOf(run, more.sha)
  return readGitHubApproval({
    github: github(more.deadline),
    stack,
    plan: report.plan,
    digest: more.digest ?? report.digest,
    env,
    now: NOW,
  })
}

describe('an approval', () => {
  test('of this run by a reviewer who did not start it counts, and says who', async () => {
    const approval = await read(await approvedRun())
    expect(approval).toMatchObject({ kind: 'github-environment', requestedBy: 'otto', approvers: [{ name: 'rita' }] })
  })

  test('is refused when no reviewer was asked: an environment that GitHub made by itself has no rules', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await control.environment({
      name: ENVIRONMENT,
      reviewers: [],
      adminsCanBypass: true,
      branches: null,
      preventSelfReview: false,
    })
    await expect(read(run)).rejects.toMatchObject({ code: 'environment-unprotected', mustAct: 'approval' })
  })

  test('is refused when the environment does not exist', async () => {
    const run = await approvedRun()
    const other = {
      ...stack,
      approval: { ...stack.approval, github: { environments: ['production-failovr'], branch: 'main', approvers: 1 } },
    }
    const report = await plan(run)
    const env = jobOf(run)
    await expect(
      readGitHubApproval({ github: github(), stack: other, plan: report.plan, digest: report.digest, env, now: NOW }),
    ).rejects.toMatchObject({ code: 'environment-missing' })
  })

  test('holds as long as the plan by the time of GitHub, whatever the clock of the runner says', async () => {
    const run = await approvedRun()
    const { plan: made, digest } = await plan(run)
    const readAt = (gitHub: Date | null, runner: Date) => {
      said = gitHub
      return readGitHubApproval({ github: github(), stack, plan: made, digest, env: jobOf(run), now: runner })
    }
    const [before, after] = [NOW, new Date(Date.parse(made.expiresAt) + 2_000)]
    await expect(readAt(before, after)).resolves.toMatchObject({ kind: 'github-environment' })
    await expect(readAt(after, before)).rejects.toMatchObject({ code: 'plan-expired' })
    // A server that says no time leaves nothing but the runner's.
    await expect(readAt(null, before)).resolves.toMatchObject({ kind: 'github-environment' })
    await expect(readAt(null, after)).rejects.toMatchObject({ code: 'plan-expired' })
  })

  const loose: [string, string, object][] = [
    ['people may approve their own runs', 'self-review-allowed', { preventSelfReview: false }],
    ['administrators can bypass it', 'admins-can-bypass', { adminsCanBypass: true }],
    ['every branch may use it', 'branch-policy-open', { branches: null }],
    ['another branch may use it too', 'branch-policy-open', { branches: ['main', 'release/*'] }],
  ]
  test.each(loose)('is refused when %s', async (_title, code, settings) => {
    const run = await approvedRun()
    await control.environment({ name: ENVIRONMENT, reviewers: ['rita', 'ravi'], ...settings })
    await expect(read(run)).rejects.toMatchObject({ code })
  })

  test('is refused when no reviewer gave it', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await control.reachEnvironment(run.id, ENVIRONMENT)
    await expect(read(run)).rejects.toMatchObject({ code: 'not-approved' })
  })

  test('is refused when it was rejected', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await control.reachEnvironment(run.id, ENVIRONMENT)
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', state: 'rejected' })
    await expect(read(run)).rejects.toMatchObject({ code: 'approval-rejected' })
  })

  test('is refused when the starter gave it, even if GitHub let that pass', async () => {
    await control.environment({ name: ENVIRONMENT, reviewers: ['otto', 'rita'], preventSelfReview: false })
    const run = await control.startRun({ actor: 'otto' })
    await control.reachEnvironment(run.id, ENVIRONMENT)
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'otto' })
    await control.environment({ name: ENVIRONMENT, reviewers: ['otto', 'rita'] })
    await expect(read(run)).rejects.toMatchObject({ code: 'approver-is-requester' })
  })

  test('is refused when its giver is no reviewer any more', async () => {
    const run = await approvedRun()
    await control.environment({ name: ENVIRONMENT, reviewers: ['ravi'] })
    await expect(read(run)).rejects.toMatchObject({ code: 'approver-not-reviewer' })
  })

  test('is refused when who re-ran the workflow gave it, in the attempt that counts', async () => {
    await control.environment({ name: ENVIRONMENT, reviewers: ['rita'] })
    const run = await approvedRun()
    await control.rerun(run.id, 'rita')
    const refused = read(run)
    await expect(refused).rejects.toMatchObject({ code: 'rerun-refused' })
    await expect(refused).rejects.toThrow(/attempt 2 .*rita started this run and approved it/)
  })

  test('is refused for a job of a tag that is called like the branch', async () => {
    const run = await approvedRun()
    const report = await plan(run)
    const env = { ...jobOf(run), GITHUB_REF: 'refs/tags/main' }
    await expect(
      readGitHubApproval({ github: github(), stack, plan: report.plan, digest: report.digest, env, now: NOW }),
    ).rejects.toMatchObject({
      code: 'branch-not-allowed',
    })
  })

  test.each(['GITHUB_REPOSITORY', 'GITHUB_RUN_ID', 'GITHUB_RUN_ATTEMPT', 'GITHUB_REF', 'GITHUB_SHA'])(
    'is refused without %s',
    async (name) => {
      const run = await approvedRun()
      const report = await plan(run)
      const env = { ...jobOf(run), [name]: undefined }
      await expect(
        readGitHubApproval({ github: github(), stack, plan: report.plan, digest: report.digest, env, now: NOW }),
      ).rejects.toMatchObject({
        code: 'not-in-github',
        mustAct: 'input',
      })
    },
  )

  test('is refused when the stack file names no environment', async () => {
    const { github: _none, ...approval } = stack.approval
    const run = await approvedRun()
    const report = await plan(run)
    await expect(
      readGitHubApproval({
        github: github(),
        stack: { ...stack, approval },
        plan: report.plan,
        digest: report.digest,
        env: jobOf(run),
        now: NOW,
      }),
    ).rejects.toMatchObject({ code: 'approval-not-declared' })
  })

  test('is refused in a re-run: it cannot be distinguished from the one of the first attempt', async () => {
    const run = await approvedRun()
    await control.rerun(run.id)
    await expect(read(run)).rejects.toMatchObject({ code: 'rerun-refused' })
  })

  test('of another run is refused', async () => {
    await approvedRun()
    const other = await control.startRun({ actor: 'otto' })
    await expect(read(other)).rejects.toMatchObject({ code: 'not-approved' })
  })

  test('is refused for another digest, another commit, or when the branch moved on', async () => {
    const run = await approvedRun()
    await expect(read(run, { digest: '0'.repeat(64) })).rejects.toMatchObject({ code: 'digest-mismatch' })
    await expect(read(run, { sha: 'f'.repeat(40) })).rejects.toMatchObject({ code: 'run-mismatch' })
    await control.moveBranch('main', 'e'.repeat(40))
    await expect(read(run)).rejects.toMatchObject({ code: 'branch-moved' })
  })

  test('is recorded with all that an auditor needs to look it up', async () => {
    const run = await approvedRun()
    const { proof } = await read(run)
    expect(proof).toMatchObject({
      run: run.id,
      attempt: 1,
      sha: run.sha,
      url: `${PAGE}/${run.id}`,
      environments: [{ name: ENVIRONMENT }],
      approvals: [{ state: 'approved', user: { login: 'rita' }, environments: [{ name: ENVIRONMENT }] }],
    })
  })

  test('is refused when GitHub does not answer', async () => {
    const run = await approvedRun()
    await fake.stop()
    await expect(read(run, { deadline: 2_000 })).rejects.toMatchObject({ code: 'approval-unreadable' })
    said = NOW
    fake = await startGitHubFake({ clock: () => said })
  })

  test('of this run is refused for a plan of another run, even with the digest of that plan', async () => {
    const run = await approvedRun()
    const foreign = await plan(await control.startRun({ actor: 'otto' }))
    await expect(
      readGitHubApproval({
        github: github(),
        stack,
        plan: foreign.plan,
        digest: foreign.digest,
        env: jobOf(run),
        now: NOW,
      }),
    ).rejects.toMatchObject({ code: 'plan-of-another-run', mustAct: 'approval' })
  })

  test('in two environments needs two people, and both are read back', async () => {
    const second = 'production-failover-second'
    await control.environment({ name: second, reviewers: ['rita', 'ravi'] })
    const two = {
      ...stack,
      approval: { ...stack.approval, github: { environments: [ENVIRONMENT, second], branch: 'main', approvers: 2 } },
    }
    const readBoth = async (reviewers: readonly [string, string]) => {
      const run = await control.startRun({ actor: 'otto' })
      for (const [index, environment] of [ENVIRONMENT, second].entries()) {
        await control.reachEnvironment(run.id, environment)
        await control.review(run.id, { environment, reviewer: reviewers[index] ?? '' })
      }
      const report = await plan(run)
      const { plan: planned, digest } = report
      return readGitHubApproval({ github: github(), stack: two, plan: planned, digest, env: jobOf(run), now: NOW })
    }
    expect(await readBoth(['rita', 'ravi'])).toMatchObject({ approvers: [{ name: 'rita' }, { name: 'ravi' }] })
    await expect(readBoth(['ravi', 'ravi'])).rejects.toMatchObject({ code: 'approvers-too-few' })
  })
})
