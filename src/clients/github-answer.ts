import { siteError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { isObject, type Json } from '../values/json.ts'
import { retryAfterIn } from './retry-after.ts'

/** An answer of GitHub as Octokit passes it on: names of headers in lower case, the body parsed where it is JSON. */
export interface GitHubAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number | undefined>>
  readonly data: unknown
}

/** Far above any answer that is asked for here. */
const MAX_BYTES = 5_000_000

/**
 * GitHub answers 403 or 429 when too much was asked. A secondary limit may come without any header that says so: its
 * body then links to the page about rate limits (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export function isRateLimited({ status, headers, data }: GitHubAnswer): boolean {
  if (status !== 403) return status === 429
  return (
    headers['retry-after'] !== undefined ||
    textOf(headers['x-ratelimit-remaining']) === '0' ||
    /rate-limit/.test(fieldOf(data, 'documentation_url') ?? '')
  )
}

/** How long GitHub wants us to wait: by Retry-After, or until the limit is lifted, by the clock of the answer. */
export function retryAfterOf({ headers }: GitHubAnswer): Milliseconds | null {
  const said = textOf(headers.date)
  const asked = retryAfterIn(textOf(headers['retry-after']), said, new Date())
  const reset = textOf(headers['x-ratelimit-reset'])
  if (asked !== null || textOf(headers['x-ratelimit-remaining']) !== '0' || !/^\d{1,12}$/.test(reset)) return asked
  const date = Date.parse(said)
  // The limit is lifted with the end of that second.
  return Math.max(0, seconds(Number(reset) + 1) - (Number.isNaN(date) ? Date.now() : date))
}
const textOf = (header: string | number | undefined): string => String(header ?? '')

/** The body of an answer. Throws `github-too-large` as soon as it is larger than 5 MB, and reads no more of it. */
export async function boundedText(response: Response, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > MAX_BYTES)
      throw siteError('github-too-large', `GitHub's answer to GET ${path} is larger than ${MAX_BYTES / 1_000_000} MB`, {
        where: path,
        next: 'What is not read does not allow anything. Check that the API URL leads to GitHub itself.',
      })
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A text of an error's body; null where there is none. A body that names no type of its own comes as text. */
export function fieldOf(data: unknown, field: string): string | null {
  const found = typeof data === 'string' ? parsedOrNull(data) : (data as Json)
  const value = isObject(found) ? found[field] : null
  return typeof value === 'string' ? value : null
}

function parsedOrNull(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}
