import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { components } from '@octokit/openapi-types'
import {
  type GitHubApproval,
  type GitHubBranchPolicy,
  type GitHubClient,
  type GitHubEnvironment,
  type GitHubRun,
  openGitHub,
} from '../../../src/clients/github.ts'
import { awakeClock } from '../../support/awake-clock.ts'

type Described = components['schemas']
/**
 * Fields of ours that GitHub's published description does not have: a typo or a removed field fails to compile here.
 */
type Undescribed =
  | Exclude<keyof GitHubRun, keyof Described['workflow-run']>
  | Exclude<keyof GitHubApproval, keyof Described['environment-approvals']>
  | Exclude<keyof GitHubBranchPolicy, keyof Described['deployment-branch-policy']>
  | Exclude<keyof GitHubEnvironment, keyof Described['environment'] | 'can_admins_bypass'>
const _undescribed: [Undescribed] extends [never] ? true : Undescribed = true

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void
async function gitHub(
  answer: Answer,
  more: { readonly deadline?: number; readonly signal?: AbortSignal } = {},
): Promise<GitHubClient> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return openGitHub({ apiUrl, token: 'ghs_x', repository: 'acme/secrets', ...more })
}
const json =
  (body: unknown, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

const environment = {
  id: 7,
  name: 'production-failover',
  can_admins_bypass: false,
  protection_rules: [
    {
      id: 1,
      type: 'required_reviewers',
      prevent_self_review: true,
      reviewers: [{ type: 'User', reviewer: { id: 42, login: 'rita' } }],
    },
    { id: 2, type: 'branch_policy' },
  ],
  deployment_branch_policy: { protected_branches: false, custom_branch_policies: true },
  an_unknown_field: 'kept',
}
const run = {
  id: 9,
  run_attempt: 1,
  event: 'workflow_dispatch',
  head_sha: 'a'.repeat(40),
  head_branch: 'main',
  path: '.github/workflows/failover.yml',
  actor: { id: 1, login: 'sam' },
  triggering_actor: { id: 1, login: 'sam' },
}

describe('what GitHub says about an approval', () => {
  test('is passed on as it came, asked with the token and at the API of this server', async () => {
    let asked: IncomingMessage | null = null
    const client = await gitHub((request, response) => {
      asked = request
      json(environment)(request, response)
    })
    expect(await client.environment('prod/eu west')).toEqual(environment)
    expect(asked).toMatchObject({
      url: '/repos/acme/secrets/environments/prod%2Feu%20west',
      headers: { authorization: 'token ghs_x', 'x-github-api-version': '2022-11-28' },
    })
  })

  test('about runs, approvals and branches is read too', async () => {
    const approval = {
      state: 'approved',
      user: { id: 42, login: 'rita' },
      comment: '',
      environments: [{ id: 7, name: 'production-failover' }],
    }
    expect(await (await gitHub(json(run))).run(9)).toEqual(run)
    expect(await (await gitHub(json([approval]))).approvals(9)).toEqual([approval])
    expect(await (await gitHub(json([]))).approvals(9)).toEqual([])
    expect(await (await gitHub(json({ name: 'main', commit: { sha: 'abc' } }))).branchTip('main')).toBe('abc')
    const job = { status: 'in_progress', started_at: '2026-11-21T06:00:00Z', runner_name: 'runner-1' }
    expect(await (await gitHub(json({ total_count: 1, jobs: [job] }))).jobs(9)).toEqual([job])
    await expect((await gitHub(json({ jobs: [{ status: 'queued' }] }))).jobs(9)).rejects.toMatchObject({
      code: 'github-unreadable',
    })
  })

  test('about branch policies is read over all pages', async () => {
    const client = await gitHub((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page'))
      const names = page === 1 ? Array.from({ length: 100 }, (_, n) => `release/${n}`) : ['main']
      json({ total_count: 101, branch_policies: names.map((name) => ({ name })) })(request, response)
    })
    const policies = await client.branchPolicies('production-failover')
    expect(policies).toHaveLength(101)
    expect(policies.at(-1)).toEqual({ name: 'main' })
  })
})

describe('an answer that cannot be read', () => {
  const { can_admins_bypass: _bypass, ...withoutBypass } = environment
  test('keeps a missing protection missing, for the caller to refuse', async () => {
    expect((await (await gitHub(json(withoutBypass))).environment('e')).can_admins_bypass).toBeUndefined()
  })

  test.each([
    ['no object', []],
    ['no id', { ...environment, id: undefined }],
    ['no rules', { ...environment, protection_rules: null }],
    ['a text in place of a switch', { ...environment, can_admins_bypass: 'false' }],
    ['no branch policy', { ...environment, deployment_branch_policy: undefined }],
    [
      'a reviewer without id',
      {
        ...environment,
        protection_rules: [{ type: 'required_reviewers', reviewers: [{ type: 'User', reviewer: {} }] }],
      },
    ],
  ])('is an error and never a default: %s', async (_, body) => {
    await expect((await gitHub(json(body))).environment('e')).rejects.toMatchObject({ code: 'github-unreadable' })
  })

  test('is an error for runs without people, approvals without environments, and pages that never end', async () => {
    await expect((await gitHub(json({ ...run, triggering_actor: null }))).run(9)).rejects.toMatchObject({
      code: 'github-unreadable',
    })
    await expect(
      (await gitHub(json([{ state: 'approved', user: { id: 1, login: 'x' }, comment: '' }]))).approvals(9),
    ).rejects.toMatchObject({
      code: 'github-unreadable',
    })
    await expect(
      (await gitHub(json({ total_count: 5, branch_policies: [] }))).branchPolicies('e'),
    ).rejects.toMatchObject({
      code: 'github-unreadable',
    })
    await expect(
      (await gitHub((_, response) => response.end('<html>a login page</html>'))).run(9),
    ).rejects.toMatchObject({
      code: 'github-unreadable',
    })
  })
})

describe('a GitHub that does not serve', () => {
  test.each([
    [401, 'github-denied'],
    [403, 'github-denied'],
    [404, 'github-not-found'],
  ])('%i is %s, with the permission that is needed', async (status, code) => {
    await expect((await gitHub(json({ message: 'no' }, status))).run(9)).rejects.toMatchObject({
      code,
      next: expect.stringContaining('actions: read'),
    })
  })

  test('is asked again after an error of its own or a rate limit, a few times', async () => {
    let asked = 0
    const client = await gitHub((request, response) => {
      asked++
      if (asked === 1) response.writeHead(502).end()
      else if (asked === 2) response.writeHead(403, { 'retry-after': '0', 'x-ratelimit-remaining': '0' }).end()
      else json(run)(request, response)
    })
    expect((await client.run(9)).id).toBe(9)
    expect(asked).toBe(3)
  })

  test('is asked four times in all', async () => {
    let asked = 0
    const client = await gitHub((_, response) => {
      asked++
      response.writeHead(502).end()
    })
    await expect(client.run(9)).rejects.toMatchObject({
      code: 'github-unreachable',
      message: expect.stringContaining('502'),
    })
    expect(asked).toBe(4)
  })

  test('is left at once when the run is cancelled while it is waited for', async () => {
    const cancelling = new AbortController()
    const client = await gitHub(
      (_, response) => {
        response.writeHead(429, { 'retry-after': '10' }).end()
        setTimeout(() => cancelling.abort(new Error('cancelled')), 50)
      },
      { signal: cancelling.signal },
    )
    const took = awakeClock()
    await expect(client.run(9)).rejects.toThrow('cancelled')
    expect(took()).toBeLessThan(5_000)
  })

  test('sends its readers elsewhere, and the token does not go there', async () => {
    const heard: (string | undefined)[] = []
    const other = createServer((request, response) => {
      heard.push(request.headers.authorization)
      json(run)(request, response)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    closing.push(() => other.close())
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
    const client = await gitHub((_, response) => response.writeHead(302, { location: elsewhere }).end())
    await client.run(9)
    expect(heard).toEqual([undefined])
  })

  test('is unreachable when it refuses, and at the deadline when it is silent', async () => {
    const closed = openGitHub({ apiUrl: 'http://127.0.0.1:2', token: 't', repository: 'a/b' })
    await expect(closed.run(9)).rejects.toMatchObject({ code: 'github-unreachable' })
    const silent = await gitHub(() => undefined, { deadline: 200 })
    await expect(silent.run(9)).rejects.toMatchObject({
      code: 'github-unreachable',
      message: 'GitHub does not answer: no answer within 200 ms',
    })
  })
})

describe('a GitHub that was asked too often', () => {
  /** As GitHub sends it: no Retry-After, and the primary limit is not used up. */
  const secondary: Answer = json(
    {
      message: 'any words',
      documentation_url:
        'https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits',
    },
    403,
  )
  const usedUp =
    (status: number, headers: Readonly<Record<string, string>>): Answer =>
    (_, response) =>
      response.writeHead(status, headers).end('{"message":"any words"}')

  test.each([
    ['a secondary limit without any header', secondary],
    ['a used-up limit without a date', usedUp(403, { 'x-ratelimit-remaining': '0' })],
    ['429 alone', usedUp(429, {})],
    [
      'a limit that is lifted already',
      usedUp(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1000000000' }),
    ],
  ])('is asked again after a while: %s', async (_, limit) => {
    let asked = 0
    const client = await gitHub((request, response) => {
      asked++
      if (asked === 1) limit(request, response)
      else json(run)(request, response)
    })
    expect((await client.run(9)).id).toBe(9)
    expect(asked).toBe(2)
  })

  test('says so before its deadline, with advice about limits and not about permissions', async () => {
    const asked = (await gitHub(secondary, { deadline: 900 })).run(9)
    await expect(asked).rejects.toMatchObject({
      code: 'github-rate-limited',
      retry: 'transient',
      next: expect.stringContaining('Wait'),
    })
    await expect(asked).rejects.not.toMatchObject({ next: expect.stringContaining('permissions:') })
    const reset = String(Math.floor(Date.now() / 1_000) + 3_000)
    const later = (await gitHub(usedUp(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }))).run(9)
    await expect(later).rejects.toMatchObject({ code: 'github-rate-limited', retryAfter: expect.any(Number) })
  })
})

describe('an answer without bounds', () => {
  const page = {
    total_count: 1_000_000_000,
    branch_policies: Array.from({ length: 100 }, (_, n) => ({ name: `b${n}` })),
  }

  test('ends at 5 MB, however much follows', async () => {
    const client = await gitHub((_, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(100_000, ' ')));
      }
      response.on('drain', more)
      more()
    })
    await expect(client.run(9)).rejects.toMatchObject({ code: 'github-too-large' })
  })

  test('ends after some pages, with a code of its own', async () => {
    let asked = 0
    const client = await gitHub((request, response) => {
      asked++
      json(page)(request, response)
    })
    await expect(client.branchPolicies('e')).rejects.toMatchObject({ code: 'github-endless' })
    expect(asked).toBe(20)
  })

  test('has one deadline over all its pages', async () => {
    const client = await gitHub((request, response) => void setTimeout(() => json(page)(request, response), 150), {
      deadline: 500,
    })
    await expect(client.branchPolicies('e')).rejects.toMatchObject({ code: 'github-unreachable' })
  })
})

describe('the time of GitHub', () => {
  const ago = new Date(Date.now() - 86_400_000)
  const said =
    (status: number, headers: Record<string, string>): Answer =>
    (_, response) =>
      response
        .writeHead(status, { 'content-type': 'application/json', date: ago.toUTCString(), ...headers })
        .end(JSON.stringify(run))
  const heardOf = async (answer: Answer): Promise<Date | null> => {
    const client = await gitHub(answer, { deadline: 1_000 })
    expect(client.time()).toBeNull()
    await client.run(9).catch(() => undefined)
    return client.time()
  }

  test('is what its answers say, within two seconds, also when it refuses', async () => {
    for (const status of [200, 403])
      expect(Math.abs(((await heardOf(said(status, {})))?.getTime() ?? Number.NaN) - ago.getTime())).toBeLessThan(2_000)
  })

  test.each<[string, Answer]>([
    ['a cache', said(200, { age: '86400' })],
    ['a proxy that cannot reach it', said(502, {})],
    ['a proxy that wants a login', said(407, {})],
    ['a page of a firewall', said(403, { 'content-type': 'text/html' })],
  ])('is not what %s says', async (_, answer) => {
    expect(await heardOf(answer)).toBeNull()
  })
})
