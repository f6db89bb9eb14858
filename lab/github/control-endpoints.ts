import { type Answer, notFound, ok, problem } from './answer.ts'
import { environmentOf, type GitHubState, reach, rerun, review, reviewProblem, startRun, userOf } from './state.ts'

interface ControlBody {
  readonly name?: string
  readonly reviewers?: readonly string[]
  readonly preventSelfReview?: boolean
  readonly adminsCanBypass?: boolean
  readonly branches?: readonly string[] | null
  readonly actor?: string
  readonly branch?: string
  readonly sha?: string
  readonly event?: string
  readonly environment?: string
  readonly reviewer?: string
  readonly state?: 'approved' | 'rejected'
  readonly comment?: string
}

/** What only the laboratory can do: set the scene, and act as any person. */
export function answerControl(state: GitHubState, path: string, text: string): Answer {
  const body = JSON.parse(text === '' ? '{}' : text) as ControlBody
  if (path === '/environments') return setEnvironment(state, body)
  if (path === '/branches') {
    state.branches.set(body.branch ?? 'main', body.sha ?? '')
    return ok({})
  }
  if (path === '/runs') {
    const { branch = 'main', sha, event = 'workflow_dispatch' } = body
    const run = startRun(state, { actor: userOf(state, body.actor ?? ''), branch, sha, event })
    return ok({ id: run.id, sha: run.sha, branch: run.branch })
  }
  const [, runId, action] = /^\/runs\/(\d+)\/(reach|review|rerun)$/.exec(path) ?? []
  const run = state.runs.get(Number(runId))
  if (run === undefined) return notFound
  if (action === 'rerun') {
    rerun(run, body.actor === undefined ? run.actor : userOf(state, body.actor))
    return ok({})
  }
  const environment = environmentOf(state, body.environment ?? '')
  if (action === 'reach') {
    const met = reach(run, environment)
    if (met !== 'refused') return ok({ state: met })
    return problem(
      422,
      `Branch "${run.branch}" is not allowed to deploy to ${environment.name} due to environment protection rules.`,
    )
  }
  const user = userOf(state, body.reviewer ?? '')
  const reason = reviewProblem(run, environment, user)
  if (reason !== null) return problem(422, reason)
  review(run, environment, { user, state: body.state ?? 'approved', comment: body.comment ?? '' })
  return ok({})
}

function setEnvironment(state: GitHubState, body: ControlBody): Answer {
  const { id, name } = environmentOf(state, body.name ?? '')
  state.environments.set(name, {
    id,
    name,
    reviewers: (body.reviewers ?? []).map((login) => userOf(state, login)),
    preventSelfReview: body.preventSelfReview ?? true,
    adminsCanBypass: body.adminsCanBypass ?? false,
    branches: body.branches === undefined ? ['main'] : body.branches,
  })
  return ok({})
}
