import { type Answer, notFound, ok, problem } from './answer.ts'
import { approvalsAnswer, branchPoliciesAnswer, environmentAnswer, pendingAnswer } from './answers.ts'
import { branchAnswer, deploymentAnswer, jobsAnswer, refAnswer, runAnswer } from './run-answers.ts'
import { type GitHubState, type RunState, review, reviewProblem, startRun } from './state.ts'

export interface Request {
  readonly method: string
  /** After `/repos/owner/name`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body: string
  /** Whose token it is: a person's, or null for that of a job. */
  readonly viewer: number | null
}

/** The part of GitHub's API that a move is started, watched and approved with. */
export function answerApi(state: GitHubState, request: Request): Answer {
  if (request.method === 'GET') return read(state, request)
  return request.method === 'POST' ? write(state, request) : notFound
}

function read(state: GitHubState, { path, query, viewer }: Request): Answer {
  const [, environmentName, policies] = /^\/environments\/([^/]+)(\/deployment-branch-policies)?$/.exec(path) ?? []
  if (environmentName !== undefined) {
    const found = state.environments.get(decodeURIComponent(environmentName))
    if (found === undefined) return notFound
    if (policies === undefined) return ok(environmentAnswer(state, found))
    return ok(branchPoliciesAnswer(found, Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 30)))
  }
  const [, runId, part] =
    /^\/actions\/runs\/(\d+)(?:\/(approvals|pending_deployments|jobs|attempts\/\d+))?$/.exec(path) ?? []
  if (runId !== undefined) return readRun(state, state.runs.get(Number(runId)), part, viewer)
  const [, kind, branch = ''] = /^\/(branches|git\/ref\/heads)\/(.+)$/.exec(path) ?? []
  const name = decodeURIComponent(branch)
  const sha = state.branches.get(name)
  if (sha === undefined) return notFound
  return ok(kind === 'branches' ? branchAnswer(state, name, sha) : refAnswer(state, name, sha))
}

function readRun(
  state: GitHubState,
  run: RunState | undefined,
  part: string | undefined,
  viewer: number | null,
): Answer {
  if (run === undefined) return notFound
  if (part === undefined) return ok(runAnswer(state, run))
  if (part === 'approvals') return ok(approvalsAnswer(state, run))
  if (part === 'pending_deployments') return ok(pendingAnswer(state, run, viewer))
  if (part === 'jobs') return ok(jobsAnswer(state, run))
  const attempt = Number(part.slice('attempts/'.length))
  if (attempt < 1 || attempt > run.attempt) return notFound
  return ok(
    runAnswer(
      state,
      attempt === run.attempt ? run : { ...run, attempt, triggeringActor: run.actor, waiting: new Set() },
    ),
  )
}

function write(state: GitHubState, { path, body, viewer }: Request): Answer {
  if (/^\/actions\/workflows\/[^/]+\/dispatches$/.test(path)) return dispatch(state, body, viewer)
  const [, runId, part] = /^\/actions\/runs\/(\d+)\/(cancel|pending_deployments)$/.exec(path) ?? []
  const run = state.runs.get(Number(runId))
  if (run === undefined) return notFound
  if (part === 'pending_deployments') return reviewPending(state, run, body, viewer)
  if (run.conclusion !== null) return problem(409, 'Cannot cancel a workflow run that is completed.')
  run.conclusion = 'cancelled'
  run.waiting.clear()
  return { status: 202, body: {} }
}

function dispatch(state: GitHubState, body: string, viewer: number | null): Answer {
  if (viewer === null) return problem(403, 'Resource not accessible by integration')
  const { ref, return_run_details: details } = JSON.parse(body) as {
    readonly ref: string
    readonly return_run_details?: boolean
  }
  const branch = ref.replace(/^refs\/heads\//, '')
  if (!state.branches.has(branch)) return problem(422, `No ref found for: ${ref}`)
  const { id } = startRun(state, { actor: viewer, branch, event: 'workflow_dispatch' })
  if (details !== true) return { status: 204 }
  const place = `${state.repository}/actions/runs/${id}`
  return ok({
    workflow_run_id: id,
    run_url: `https://api.github.com/repos/${place}`,
    html_url: `https://github.com/${place}`,
  })
}

/** A reviewer's answer. A job's own token cannot give it: a run cannot approve itself. */
function reviewPending(state: GitHubState, run: RunState, body: string, viewer: number | null): Answer {
  if (viewer === null) return problem(403, 'Resource not accessible by integration')
  const given = JSON.parse(body) as {
    readonly environment_ids: readonly number[]
    readonly state: 'approved' | 'rejected'
    readonly comment: string
  }
  const meant = [...state.environments.values()].filter((environment) => given.environment_ids.includes(environment.id))
  const reason = meant.map((environment) => reviewProblem(run, environment, viewer)).find((one) => one !== null)
  if (meant.length === 0 || reason !== undefined) return problem(422, reason ?? 'No environment of that id waits')
  for (const environment of meant)
    review(run, environment, { user: viewer, state: given.state, comment: given.comment })
  return ok(meant.map((environment) => deploymentAnswer(state, run, environment, run.actor)))
}
