import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'
import { readGitHubApproval } from '../../../src/approval/read-approval.ts'
import { openGitHub } from '../../../src/clients/github.ts'
import { createActive } from '../../../src/execution/witness.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { toyStack, toyWorld } from '../../support/toy-stack.ts'

const ENVIRONMENT = 'production-failover'
const stack = { ...toyStack, approval: { ...toyStack.approval, github: { environment: ENVIRONMENT, branch: 'main' } } }

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let control: GitHubControl
beforeEach(async () => {
  fake = await startGitHubFake()
  control = controlGitHub(fake.url)
  await control.environment({ name: ENVIRONMENT, reviewers: ['rita', 'ravi'] })
})
afterEach(() => fake.stop())

const github = () => openGitHub({ apiUrl: fake.url, token: 'token', repository: 'lab/stacks', deadline: 2_000 })

async function plan() {
  const store = memoryStore()
  await createActive(store, { schemaVersion: 1, stack: 'toy', epoch: 1, activeSite: 'dc-a', since: '', run: '' })
  return planFailover(toyWorld({ writer: 'dc-a', effects: [] }, store), { to: 'dc-b' })
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
const jobOf = (run: Run, sha = run.sha) => ({ GITHUB_RUN_ID: String(run.id), GITHUB_RUN_ATTEMPT: '1', GITHUB_REF: `refs/heads/${run.branch}`, GITHUB_SHA: sha })

async function read(run: Run, more: { readonly digest?: string; readonly sha?: string } = {}) {
  const report = await plan()
  const env = jobOf(run, more.sha)
  return readGitHubApproval({ github: github(), stack, plan: report.plan, digest: more.digest ?? report.digest, env })
}

describe('an approval', () => {
  test('of this run by a reviewer who did not start it counts, and says who', async () => {
    const approval = await read(await approvedRun())
    expect(approval).toMatchObject({ kind: 'github-environment', requestedBy: 'otto', approvers: [{ name: 'rita' }] })
  })

  test('is refused when nobody was asked: an environment that GitHub made by itself has no rules', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await control.environment({ name: ENVIRONMENT, reviewers: [], adminsCanBypass: true, branches: null, preventSelfReview: false })
    await expect(read(run)).rejects.toMatchObject({ code: 'environment-unprotected', mustAct: 'approval' })
  })

  test('is refused when the environment does not exist', async () => {
    const run = await approvedRun()
    const other = { ...stack, approval: { ...stack.approval, github: { environment: 'production-failovr', branch: 'main' } } }
    const report = await plan()
    const env = jobOf(run)
    await expect(
      readGitHubApproval({ github: github(), stack: other, plan: report.plan, digest: report.digest, env }),
    ).rejects.toMatchObject({ code: 'environment-missing' })
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

  test('is refused when nobody gave it', async () => {
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

  test('is refused in a re-run: it can not be told from the one of the first attempt', async () => {
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

  test('is refused when GitHub does not answer', async () => {
    const run = await approvedRun()
    await fake.stop()
    await expect(read(run)).rejects.toMatchObject({ code: 'approval-unreadable' })
    fake = await startGitHubFake()
  })
})

describe("the fake of GitHub's API", () => {
  const description = JSON.parse(
    readFileSync(createRequire(import.meta.url).resolve('@octokit/openapi/generated/api.github.com.json'), 'utf8'),
  ) as {
    readonly paths: Record<string, { get: { responses: Record<string, { content: { 'application/json': { schema: object } } }> } }>
    readonly components: object
  }
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const schemaOf = (path: string): object => ({
    ...description.paths[path]?.get.responses['200']?.content['application/json'].schema,
    components: description.components,
  })
  const ask = async (path: string): Promise<unknown> =>
    (await fetch(`${fake.url}/repos/lab/stacks${path}`, { headers: { authorization: 'Bearer x' } })).json()

  test('answers as its published description says', async () => {
    const run = await approvedRun()
    const cases: [string, string][] = [
      ['/repos/{owner}/{repo}/environments/{environment_name}', `/environments/${ENVIRONMENT}`],
      [
        '/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies',
        `/environments/${ENVIRONMENT}/deployment-branch-policies`,
      ],
      ['/repos/{owner}/{repo}/actions/runs/{run_id}/approvals', `/actions/runs/${run.id}/approvals`],
    ]
    for (const [template, path] of cases) {
      const valid = ajv.compile(schemaOf(template))
      const fits = valid(await ask(path))
      expect({ path, fits, errors: (valid.errors ?? []).slice(0, 3) }).toEqual({ path, fits: true, errors: [] })
    }
  })

  test('makes an unknown environment without rules when a job names it, as GitHub does', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await expect(control.reachEnvironment(run.id, 'typo')).resolves.toBe('running')
    await expect(ask('/environments/typo')).resolves.toMatchObject({ protection_rules: [], can_admins_bypass: true })
  })

  test('lets nobody approve who is no reviewer, or what does not wait', async () => {
    const run = await control.startRun({ actor: 'otto' })
    await expect(control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })).rejects.toThrow(/no pending/)
    await control.reachEnvironment(run.id, ENVIRONMENT)
    await expect(control.review(run.id, { environment: ENVIRONMENT, reviewer: 'eve' })).rejects.toThrow(/not a required reviewer/)
  })
})
