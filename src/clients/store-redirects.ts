import { textOf } from './s3-xml.ts'
import type { Attempt, StoreAnswer } from './store-answer.ts'

const ELSEWHERE_CODES: ReadonlySet<string> = new Set([
  ...[
    'PermanentRedirect',
    'TemporaryRedirect',
    'Redirect',
    'AuthorizationHeaderMalformed',
    'IllegalLocationConstraintException',
  ],
  ...['IncorrectEndpoint', 'EndpointNotFound', 'InvalidRegionName', 'InvalidRegion'],
])

/**
 * Where the store says that the bucket is, as advice; null when the answer is about something else. A region comes in
 * `x-amz-bucket-region` or `<Region>`, an endpoint in `<Endpoint>` or `Location`. What is named is an address or a name
 * of a region, or is left out.
 */
export function placeNamedIn(attempt: Attempt, answer: StoreAnswer, code: string): string | null {
  const { status, headers, text } = answer
  const region = regionIn(headers.get('x-amz-bucket-region')) ?? regionIn(textOf(text, 'Region'))
  const otherRegion = region !== null && region !== attempt.region ? region : null
  const moved = status === 301 || status === 302 || status === 307 || status === 308
  const location = moved ? addressIn(headers.get('location'), attempt) : null
  const sentBack = moved && location !== null && location.path === pathOf(attempt)
  if (!ELSEWHERE_CODES.has(code) && !sentBack && !((moved || status === 400) && otherRegion !== null)) return null

  const endpoint = addressIn(textOf(text, 'Endpoint'), attempt)?.endpoint ?? location?.endpoint ?? null
  const otherEndpoint = endpoint !== null && endpoint !== attempt.endpoint.replace(/\/$/, '') ? endpoint : null
  const parts = [
    ...(otherRegion === null ? [] : [`\`region: ${otherRegion}\``]),
    ...(otherEndpoint === null ? [] : [`\`endpoint: ${otherEndpoint}\``]),
  ]
  if (parts.length === 0)
    return 'Correct `region` and `endpoint`: the store does not say which are right, its console does.'
  return `Declare ${parts.join(' and ')}${otherEndpoint === null ? ', and the endpoint of that region' : ''}.`
}

const regionIn = (text: string | null): string | null =>
  text !== null && /^[a-z0-9][a-z0-9-]{0,62}$/i.test(text) ? text : null

/** An address to which requests are sent path-style: without the bucket, which some put before the name of the host. */
function addressIn(
  text: string | null,
  { bucket, endpoint }: Attempt,
): { readonly endpoint: string; readonly path: string } | null {
  if (text === null || !/^(https?:\/\/)?[a-z0-9.-]+(:\d+)?(\/\S*)?$/i.test(text)) return null
  const whole = /^https?:/i.test(text) ? text : `${new URL(endpoint).protocol}//${text}`
  if (!URL.canParse(whole)) return null
  const { protocol, host, pathname } = new URL(whole)
  return {
    endpoint: `${protocol}//${host.startsWith(`${bucket}.`) ? host.slice(bucket.length + 1) : host}`,
    path: pathname,
  }
}

const pathOf = ({ endpoint, bucket, key }: Attempt): string =>
  new URL(`${endpoint.replace(/\/$/, '')}/${bucket}${key === null ? '' : `/${key}`}`).pathname
