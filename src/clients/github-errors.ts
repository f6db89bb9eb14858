import { type StandbyError, siteError } from '../errors/standby-error.ts'
import type { Milliseconds } from '../values/duration.ts'
import { fieldOf, isRateLimited, retryAfterOf } from './github-answer.ts'
import { retryOfWire } from './worth-another-try.ts'

/** GitHub did not answer, or said that it can not. */
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

/** Why GitHub refused: by the status and the structure of its answer, its own words beside it. */
export function refusal(apiUrl: string, path: string, response: Response, body: string): StandbyError {
  const { status } = response
  const said = saidBy(body, status)
  const where = `${apiUrl} ${path}`
  if (isRateLimited(response, body))
    return siteError('github-rate-limited', `GitHub was asked too often with this token: ${said}`, {
      where,
      next: 'Wait, then start it again. The limit counts everything that the token asks: see what else uses it. No permission is missing.',
      retry: 'transient',
      retryAfter: retryAfterOf(response),
    })
  if (status >= 500) return unreachable(apiUrl, path, said, undefined, retryAfterOf(response))
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

const saidBy = (body: string, status: number): string => fieldOf(body, 'message') ?? `HTTP ${status}`
