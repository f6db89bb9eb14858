import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { approvalsAnswer, branchPoliciesAnswer, environmentAnswer, refAnswer, runAnswer } from './answers.ts'
import { emptyState, environmentOf, type GitHubState, type RunState, reviewProblem, userOf } from './state.ts'

/** The part of GitHub's API that an approval is read back from, with a memory; control endpoints under /_lab/. */
export async function startGitHubFake(
  options: { readonly host?: string; readonly port?: number; readonly repository?: string } = {},
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const state = emptyState(options.repository ?? 'lab/stacks')
  const server = createServer((request, response) => {
    answer(state, request)
      .catch((error: unknown): Answer => ({ status: 500, body: { message: String(error) } }))
      .then(({ status, body }) => send(response, status, body))
      .catch(() => response.destroy())
  })
  await new Promise<void>((done, failed) => server.once('error', failed).listen(options.port ?? 0, options.host ?? '127.0.0.1', done))
  const { address, port } = server.address() as AddressInfo
  return {
    url: `http://${address}:${port}`,
    stop: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

interface Answer {
  readonly status: number
  readonly body: object
}
const ok = (body: object): Answer => ({ status: 200, body })
const notFound: Answer = { status: 404, body: { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' } }
const refused = (message: string): Answer => ({ status: 422, body: { message, documentation_url: 'https://docs.github.com/rest' } })

async function answer(state: GitHubState, request: IncomingMessage): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://lab')
  if (pathname.startsWith('/_lab/'))
    return control(state, pathname.slice('/_lab'.length), JSON.parse((await bodyOf(request)) || '{}') as Record<string, never>)
  if (request.method !== 'GET') return notFound
  if (!/^(Bearer|token) \S+/.test(request.headers.authorization ?? ''))
    return { status: 401, body: { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest', status: '401' } }
  const prefix = `/repos/${state.repository}`
  return pathname.startsWith(prefix) ? read(state, pathname.slice(prefix.length)) : notFound
}

function read(state: GitHubState, path: string): Answer {
  const environment = /^\/environments\/([^/]+)(\/deployment-branch-policies)?$/.exec(path)
  if (environment !== null) {
    const found = state.environments.get(decodeURIComponent(environment[1] ?? ''))
    if (found === undefined) return notFound
    return ok(environment[2] === undefined ? environmentAnswer(state, found) : branchPoliciesAnswer(found))
  }
  const run = /^\/actions\/runs\/(\d+)(\/approvals)?$/.exec(path)
  if (run !== null) {
    const found = state.runs.get(Number(run[1]))
    if (found === undefined) return notFound
    return ok(run[2] === undefined ? runAnswer(state, found) : approvalsAnswer(state, found))
  }
  const branch = /^\/(?:branches|git\/ref\/heads|commits)\/(.+)$/.exec(path)
  const sha = branch === null ? undefined : state.branches.get(decodeURIComponent(branch[1] ?? ''))
  if (branch === null || sha === undefined) return notFound
  const name = decodeURIComponent(branch[1] ?? '')
  if (path.startsWith('/git/'))
    return ok({
      ref: `refs/heads/${name}`,
      node_id: 'REF',
      url: `https://api.github.com${path}`,
      object: { type: 'commit', sha, url: `https://api.github.com/commits/${sha}` },
    })
  return ok(path.startsWith('/commits/') ? { sha } : refAnswer(state, name, sha))
}

interface ControlBody {
  readonly name?: string
  readonly reviewers?: readonly string[]
  readonly preventSelfReview?: boolean
  readonly adminsCanBypass?: boolean
  readonly branches?: readonly string[] | null
  readonly actor?: string
  readonly branch?: string
  readonly sha?: string
  readonly environment?: string
  readonly reviewer?: string
  readonly state?: 'approved' | 'rejected'
  readonly comment?: string
}

function control(state: GitHubState, path: string, body: ControlBody): Answer {
  if (path === '/environments') {
    const { id, name } = environmentOf(state, body.name ?? '')
    const reviewers = (body.reviewers ?? []).map((login) => userOf(state, login))
    state.environments.set(name, {
      id,
      name,
      reviewers,
      preventSelfReview: body.preventSelfReview ?? true,
      adminsCanBypass: body.adminsCanBypass ?? false,
      branches: body.branches === undefined ? ['main'] : body.branches,
    })
    return ok({})
  }
  if (path === '/branches') {
    state.branches.set(body.branch ?? 'main', body.sha ?? '')
    return ok({})
  }
  if (path === '/runs') return ok(startRun(state, body))
  const action = /^\/runs\/(\d+)\/(reach|review|rerun)$/.exec(path)
  const run = state.runs.get(Number(action?.[1]))
  if (action === null || run === undefined) return notFound
  if (action[2] === 'rerun') {
    run.attempt += 1
    return ok({})
  }
  const environment = environmentOf(state, body.environment ?? '')
  if (action[2] === 'reach') {
    if (environment.reviewers.length === 0) return ok({ state: 'running' })
    run.waiting.add(environment.name)
    return ok({ state: 'waiting' })
  }
  const user = userOf(state, body.reviewer ?? '')
  const problem = reviewProblem(state, run, environment, user)
  if (problem !== null) return refused(problem)
  run.waiting.delete(environment.name)
  run.reviews.push({ environment: environment.name, user, state: body.state ?? 'approved', comment: body.comment ?? '' })
  return ok({})
}

function startRun(state: GitHubState, body: ControlBody): object {
  const branch = body.branch ?? 'main'
  const sha = body.sha ?? state.branches.get(branch) ?? createHash('sha1').update(randomBytes(8)).digest('hex')
  const run: RunState = {
    id: state.nextId++,
    actor: userOf(state, body.actor ?? ''),
    branch,
    sha,
    attempt: 1,
    waiting: new Set(),
    reviews: [],
  }
  if (!state.branches.has(branch)) state.branches.set(branch, sha)
  state.runs.set(run.id, run)
  return { id: run.id, sha, branch }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request) text += String(part)
  return text
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { listen: { type: 'string', default: '127.0.0.1:8080' }, repository: { type: 'string', default: 'lab/stacks' } },
  })
  const at = values.listen.lastIndexOf(':')
  const { url } = await startGitHubFake({
    host: values.listen.slice(0, at),
    port: Number(values.listen.slice(at + 1)),
    repository: values.repository,
  })
  process.stdout.write(`${url}\n`)
}
