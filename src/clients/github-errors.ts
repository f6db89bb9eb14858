import { StandbyError, siteError } from '../errors/standby-error.ts'
import type { Milliseconds } from '../values/duration.ts'
import { reasonOf } from './fetch-failure.ts'
import { fieldOf, type GitHubAnswer, isRateLimited, retryAfterOf } from './github-answer.ts'
import { retryOfWire } from './worth-another-try.ts'

/**
 * What Octokit throws; by shape, as an error of a test may come from another realm. `response` is absent without one.
 */
export interface RequestFailure {
  readonly cause?: unknown
  readonly response?: GitHubAnswer
}

/** GitHub did not answer, or said that it cannot. */
export const unreachable = (
  apiUrl: string,
  path: string,
  why: string,
  cause?: unknown,
  retryAfter: Milliseconds | null = null,
): StandbyError =>
  siteError('github-unreachable', `GitHub does not answer: ${why}`, {
    where: `${apiUrl} ${path}`,
    next: 'Look at githubstatus.com. When GitHub is down, the command line does the same with signatures.',
    cause,
    retry: retryOfWire(cause),
    retryAfter,
  })

/** What Octokit threw for a question, as an error of ours. */
export function asGitHubError(apiUrl: string, path: string, thrown: unknown): StandbyError {
  if (thrown instanceof StandbyError) return thrown
  const { cause, response } = thrown as RequestFailure
  if (cause instanceof StandbyError) return cause
  if (response !== undefined) return refusal(apiUrl, path, response)
  return unreachable(apiUrl, path, reasonOf(cause ?? thrown), cause ?? thrown)
}

/** Why GitHub refused: by the status and the structure of its answer, its own words beside it. */
function refusal(apiUrl: string, path: string, answer: GitHubAnswer): StandbyError {
  const { status, data } = answer
  const said = fieldOf(data, 'message') ?? `HTTP ${status}`
  const where = `${apiUrl} ${path}`
  if (isRateLimited(answer))
    return siteError('github-rate-limited', `GitHub was asked too often with this token: ${said}`, {
      where,
      next: 'Wait, then start it again. The limit counts everything that the token asks: see what else uses it. No permission is missing.',
      retry: 'transient',
      retryAfter: retryAfterOf(answer),
    })
  if (status >= 500) return unreachable(apiUrl, path, said, undefined, retryAfterOf(answer))
  if (status === 404)
    return siteError('github-not-found', `GitHub has no ${path}, or does not show it to this token`, {
      where,
      next: 'Create it, or give the job `permissions: { actions: read, contents: read }`.',
    })
  return siteError('github-denied', `GitHub refuses GET ${path}: ${said}`, {
    where,
    next: 'Give the job `permissions: { actions: read, contents: read }`.',
  })
}
