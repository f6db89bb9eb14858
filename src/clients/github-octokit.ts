import { setTimeout as pause } from 'node:timers/promises'
import type { getOctokit } from '@actions/github'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { wasLost } from './fetch-failure.ts'
import { boundedText, isRateLimited, retryAfterOf } from './github-answer.ts'
import type { RequestFailure } from './github-errors.ts'
import { isOfServer, type ServerTime } from './server-time.ts'
import { retryOfStatus } from './worth-another-try.ts'

/*
 * Octokit of @actions/github, with its plugin for retries: routes, parameters and errors are theirs. Around it stays
 * what they do not promise:
 * - An answer has at most 5 MB, and its `Date` is heard: `heardFetch`. It is Node's own `fetch`, which goes through the
 *   proxies that `honourProxies` has set and past what NO_PROXY exempts, ranges included; @actions/http-client knows
 *   no ranges, and its undici is not in the bundle.
 * - What is asked again, and after which time, is decided by status and headers: `decideRetry`. The plugin for retries
 *   asks everything again but a list of statuses, after 1, 4 and 9 s, in a wait that no signal ends.
 * - The plugin for throttling is not used. It knows a secondary limit by the words of the answer, counts to a reset by
 *   this machine's clock, waits for 60 s where nothing says how long, and no signal ends its wait either.
 * - Lists are read by their `total_count`: a `Link` header that a proxy drops would hide a branch policy, and one that
 *   leads elsewhere would get the token.
 */

/** Octokit with the plugin for retries. */
export type GitHubApi = ReturnType<typeof getOctokit>

/** Of one question; Octokit passes it on to the fetch and the hooks. */
export interface QuestionOptions {
  readonly signal: AbortSignal
  /** By `performance.now()`: a wait that would go beyond it is not begun. */
  readonly endsAt: Milliseconds
}

const MAX_TRIES = 4
const API_VERSION = '2022-11-28'

/**
 * Loaded with the first question: @actions/github reads the event of the run and makes agents for proxies as soon as it
 * is imported.
 */
export async function openOctokit(apiUrl: string, token: string, time: ServerTime): Promise<GitHubApi> {
  const [{ getOctokit }, { retry }] = await Promise.all([import('@actions/github'), import('@octokit/plugin-retry')])
  const options = {
    baseUrl: apiUrl,
    userAgent: 'standby',
    request: { fetch: heardFetch(time) },
    // A refusal is an error with a code, and not a line beside the output.
    log: { debug: silent, info: silent, warn: silent, error: silent },
    retry: { doNotRetry: DECIDED_HERE },
  }
  // The first plugin stands nearest to the request: the plugin for retries sees what it has decided.
  return getOctokit(token, options, decideRetry, retry)
}
const silent = (): void => undefined
/** Every status of an error. */
const DECIDED_HERE = Array.from({ length: 200 }, (_, at) => 400 + at)

function decideRetry(octokit: Pick<GitHubApi, 'hook'>): void {
  octokit.hook.before('request', (options) => {
    options.headers['x-github-api-version'] = API_VERSION
  })
  octokit.hook.error('request', async (error, options) => {
    const { signal, endsAt, retryCount = 0 } = options.request as QuestionOptions & { readonly retryCount?: number }
    const wait = waitOf(error as RequestFailure, retryCount + 1, endsAt)
    if (wait === null || signal.aborted) throw error
    await pause(wait, undefined, { signal }).catch(() => {
      throw error
    })
    throw asked(error, MAX_TRIES - 1)
  })
}

/** The mark by which the plugin for retries asks again at once, `most` times in all (its own `retry.retryRequest`). */
function asked(error: unknown, most: number): unknown {
  const { request } = error as { readonly request: { request?: object } }
  request.request = { ...request.request, retries: most, retryAfter: 0 }
  return error
}

/** How long to wait before the next try; null where none is worth it. */
function waitOf({ cause, response }: RequestFailure, tries: number, endsAt: Milliseconds): Milliseconds | null {
  if (tries >= MAX_TRIES) return null
  const usual = 250 * 2 ** tries
  if (response === undefined) return wasLost(cause) ? usual : null
  const limited = isRateLimited(response)
  if (!limited && retryOfStatus(response.status) !== 'transient') return null
  const wait = retryAfterOf(response) ?? (limited ? seconds(2 ** (tries - 1)) : usual)
  // Its own words say more than that the deadline went by.
  return limited && performance.now() + wait >= endsAt ? null : wait
}

/** `fetch` that reads a bounded answer to its end, and hears what time it is by GitHub's clock. */
const heardFetch =
  (time: ServerTime) =>
  async (url: string, init: RequestInit): Promise<Response> => {
    const askedAt = performance.now()
    const response = await fetch(url, init)
    if (isOfServer(response)) time.hear(response.headers.get('date'), askedAt, performance.now())
    const text = await boundedText(response, new URL(url).pathname)
    const { status, statusText, headers } = response
    return new Response(WITHOUT_BODY.has(status) ? null : text, { status, statusText, headers })
  }
/** `Response` takes none with these. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])
