import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { Ajv } from 'ajv'
import { controlGitHub, type GitHubControl } from '../../../lab/github/control.ts'
import { startGitHubFake } from '../../../lab/github/server.ts'

const ENVIRONMENT = 'production-failover'

interface Response {
  readonly $ref?: string
  readonly content?: { readonly 'application/json'?: { readonly schema: object } }
}
interface Description {
  readonly components: { readonly responses: Record<string, Response>; readonly schemas: Record<string, object> }
  readonly paths: Record<string, Record<string, { readonly responses: Record<string, Response> }>>
}
/** OpenAPI 3.0 puts `nullable` beside `allOf`, `$ref` or an `enum` without null; JSON Schema says that as a choice. */
const asJsonSchema = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('nullable' in value) || value.nullable !== true) return value
  // Beside a mere type the validator knows `nullable` itself.
  if ('type' in value && !('enum' in value)) return value
  const { nullable: _nullable, ...schema } = value
  return { anyOf: [schema, { type: 'null' }] }
}
const description = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('@octokit/openapi/generated/api.github.com.json'), 'utf8'),
  asJsonSchema,
) as Description
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })

let fake: Awaited<ReturnType<typeof startGitHubFake>>
let control: GitHubControl
beforeAll(async () => {
  fake = await startGitHubFake()
  control = controlGitHub(fake.url)
})
afterAll(() => fake.stop())
beforeEach(() => control.environment({ name: ENVIRONMENT, reviewers: ['rita', 'ravi'] }))

async function ask(
  method: 'GET' | 'POST',
  path: string,
  { as = 'the-job', body }: { as?: string; body?: object } = {},
) {
  const response = await fetch(`${fake.url}/repos/lab/stacks${path}`, {
    method,
    headers: { authorization: `Bearer ${as}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
}
const get = async (path: string): Promise<unknown> => (await ask('GET', path)).body

/** What GitHub's published description has against an answer; empty when it fits. */
function violations(
  template: string,
  method: string,
  { status, body }: { readonly status: number; readonly body: unknown },
): string[] {
  const described = description.paths[`/repos/{owner}/{repo}${template}`]?.[method]?.responses[String(status)]
  const response =
    described?.$ref === undefined ? described : description.components.responses[described.$ref.split('/').at(-1) ?? '']
  if (response === undefined) return [`${template} never answers ${status}`]
  const schema = response.content?.['application/json']?.schema
  if (schema === undefined) return body === null ? [] : [`${template} answers ${status} without content`]
  const valid = ajv.compile({ ...schema, components: description.components })
  return valid(body) ? [] : (valid.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
}

async function waitingRun() {
  const run = await control.startRun({ actor: 'otto' })
  await control.reachEnvironment(run.id, ENVIRONMENT)
  return run
}
async function idOf(environment: string): Promise<number> {
  const { id } = (await get(`/environments/${environment}`)) as { readonly id: number }
  return id
}

describe("every answer fits GitHub's published description:", () => {
  const reads: [string, (run: number) => string][] = [
    ['/environments/{environment_name}', () => `/environments/${ENVIRONMENT}`],
    [
      '/environments/{environment_name}/deployment-branch-policies',
      () => `/environments/${ENVIRONMENT}/deployment-branch-policies`,
    ],
    ['/actions/runs/{run_id}', (run) => `/actions/runs/${run}`],
    ['/actions/runs/{run_id}/attempts/{attempt_number}', (run) => `/actions/runs/${run}/attempts/1`],
    ['/actions/runs/{run_id}/approvals', (run) => `/actions/runs/${run}/approvals`],
    ['/actions/runs/{run_id}/pending_deployments', (run) => `/actions/runs/${run}/pending_deployments`],
    ['/actions/runs/{run_id}/jobs', (run) => `/actions/runs/${run}/jobs`],
    ['/branches/{branch}', () => '/branches/main'],
    ['/git/ref/{ref}', () => '/git/ref/heads/main'],
  ]
  test.each(reads)('GET %s', async (template, path) => {
    const run = await waitingRun()
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    await control.reachEnvironment(run.id, ENVIRONMENT)
    const answer = await ask('GET', path(run.id))
    expect({ status: answer.status, violations: violations(template, 'get', answer) }).toEqual({
      status: 200,
      violations: [],
    })
  })

  test('a review, a cancellation and a dispatch', async () => {
    const run = await waitingRun()
    const path = `/actions/runs/${run.id}`
    const reviewed = await ask('POST', `${path}/pending_deployments`, {
      as: 'person:rita',
      body: { environment_ids: [await idOf(ENVIRONMENT)], state: 'approved', comment: 'go' },
    })
    expect(violations('/actions/runs/{run_id}/pending_deployments', 'post', reviewed)).toEqual([])
    expect(violations('/actions/runs/{run_id}/cancel', 'post', await ask('POST', `${path}/cancel`))).toEqual([])
    expect(violations('/actions/runs/{run_id}/cancel', 'post', await ask('POST', `${path}/cancel`))).toEqual([])
    for (const details of [true, false]) {
      const body = { ref: 'main', return_run_details: details }
      const answer = await ask('POST', '/actions/workflows/failover.yml/dispatches', { as: 'person:otto', body })
      expect(violations('/actions/workflows/{workflow_id}/dispatches', 'post', answer)).toEqual([])
    }
  })

  test('a bent answer would be seen', async () => {
    const run = (await get(`/actions/runs/${(await waitingRun()).id}`)) as object
    expect(violations('/actions/runs/{run_id}', 'get', { status: 200, body: { ...run, head_sha: 7 } })).not.toEqual([])
  })

  test('can_admins_bypass is the one field that GitHub sends and does not describe', () => {
    const schema = JSON.stringify(description.components.schemas.environment)
    expect(schema).not.toContain('can_admins_bypass')
  })
})

describe('an environment', () => {
  test('that does not exist is made without rules when a job names it', async () => {
    const run = await control.startRun({ actor: 'otto' })
    expect(await control.reachEnvironment(run.id, 'typo')).toBe('running')
    expect(await get('/environments/typo')).toMatchObject({
      protection_rules: [],
      can_admins_bypass: true,
      deployment_branch_policy: null,
    })
  })

  test('stops a run of a branch that may not use it', async () => {
    const run = await control.startRun({ actor: 'otto', branch: 'hotfix' })
    await expect(control.reachEnvironment(run.id, ENVIRONMENT)).rejects.toThrow(
      'Branch "hotfix" is not allowed to deploy',
    )
    expect(await get(`/actions/runs/${run.id}`)).toMatchObject({ status: 'completed', conclusion: 'failure' })
  })

  test('lists its branches page by page', async () => {
    await control.environment({ name: 'many', reviewers: [], branches: ['a', 'b', 'c'] })
    const page = await get('/environments/many/deployment-branch-policies?per_page=2&page=2')
    expect(page).toMatchObject({ total_count: 3, branch_policies: [{ name: 'c' }] })
  })
})

describe('a run', () => {
  test('waits until a reviewer answers, and remembers who did', async () => {
    const run = await waitingRun()
    const path = `/actions/runs/${run.id}`
    expect(await get(path)).toMatchObject({ status: 'waiting' })
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', comment: 'go' })
    expect(await get(path)).toMatchObject({ status: 'in_progress' })
    expect(await get(`${path}/approvals`)).toMatchObject([
      { state: 'approved', comment: 'go', user: { login: 'rita' } },
    ])
  })

  test('has a job that no runner takes before it is approved', async () => {
    const run = await waitingRun()
    const path = `/actions/runs/${run.id}/jobs`
    expect(await get(path)).toMatchObject({
      total_count: 1,
      jobs: [{ name: ENVIRONMENT, status: 'waiting', runner_name: null }],
    })
    const before = new Date().toISOString()
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    const { jobs } = (await get(path)) as { readonly jobs: readonly { readonly started_at: string }[] }
    expect(jobs).toMatchObject([{ status: 'in_progress', runner_name: 'lab-runner' }])
    expect(jobs[0]?.started_at.localeCompare(before)).not.toBe(-1)
  })

  test('ends when it is rejected', async () => {
    const run = await waitingRun()
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita', state: 'rejected' })
    expect(await get(`/actions/runs/${run.id}`)).toMatchObject({ status: 'completed', conclusion: 'failure' })
  })

  test('can be approved by its reviewers alone: not by strangers, not by its starter, not by itself', async () => {
    await control.environment({ name: ENVIRONMENT, reviewers: ['rita', 'otto'] })
    const run = await waitingRun()
    const body = { environment_ids: [await idOf(ENVIRONMENT)], state: 'approved', comment: '' }
    const approve = async (as: string) =>
      (await ask('POST', `/actions/runs/${run.id}/pending_deployments`, { as, body })).status
    expect(await approve('person:eve')).toBe(422)
    expect(await approve('person:otto')).toBe(422)
    expect(await approve('the-token-of-the-job')).toBe(403)
    expect(await get(`/actions/runs/${run.id}/approvals`)).toEqual([])
    expect(await approve('person:rita')).toBe(200)
    expect(await approve('person:rita')).toBe(422)
  })

  test('keeps its approvals over attempts without saying of which they are, as GitHub does', async () => {
    const run = await waitingRun()
    await control.review(run.id, { environment: ENVIRONMENT, reviewer: 'rita' })
    await control.rerun(run.id, 'ravi')
    const path = `/actions/runs/${run.id}`
    expect(await get(path)).toMatchObject({
      run_attempt: 2,
      actor: { login: 'otto' },
      triggering_actor: { login: 'ravi' },
    })
    expect(await get(`${path}/attempts/1`)).toMatchObject({ run_attempt: 1, triggering_actor: { login: 'otto' } })
    expect(await get(`${path}/approvals`)).toHaveLength(1)
    expect((await ask('GET', `${path}/attempts/3`)).status).toBe(404)
  })
})

test('GitHub answers nothing without a token, and nothing of another repository', async () => {
  expect((await fetch(`${fake.url}/repos/lab/stacks/branches/main`)).status).toBe(401)
  expect(
    (await fetch(`${fake.url}/repos/lab/other/branches/main`, { headers: { authorization: 'Bearer x' } })).status,
  ).toBe(404)
})
