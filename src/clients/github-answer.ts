import { siteError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { isObject } from '../values/json.ts'
import { retryAfterIn } from './retry-after.ts'

/** Far above any answer that is asked for here. */
const MAX_BYTES = 5_000_000

/**
 * GitHub answers 403 or 429 when too much was asked. A secondary limit may come without any header that says so: its
 * body then links to the page about rate limits (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export const isRateLimited = ({ status, headers }: Response, body: string): boolean =>
  status === 429 ||
  (status === 403 &&
    (headers.has('retry-after') ||
      headers.get('x-ratelimit-remaining') === '0' ||
      /rate-limit/.test(fieldOf(body, 'documentation_url') ?? '')))

/** How long GitHub wants us to wait: by Retry-After, or until the limit is lifted, by the clock of the answer. */
export function retryAfterOf({ headers }: Response): Milliseconds | null {
  const asked = retryAfterIn(headers.get('retry-after'), headers.get('date'), new Date())
  const reset = headers.get('x-ratelimit-reset') ?? ''
  if (asked !== null || headers.get('x-ratelimit-remaining') !== '0' || !/^\d{1,12}$/.test(reset)) return asked
  const date = Date.parse(headers.get('date') ?? '')
  // The limit is lifted with the end of that second.
  return Math.max(0, seconds(Number(reset) + 1) - (Number.isNaN(date) ? Date.now() : date))
}

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

/** A text of an error's body; null where there is none. */
export function fieldOf(body: string, field: string): string | null {
  try {
    const found: unknown = JSON.parse(body)
    const value = isObject(found) ? found[field] : null
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}
