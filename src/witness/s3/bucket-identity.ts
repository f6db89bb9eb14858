import type { Claim, NamedPath, SpecProblem } from '../../domain/declaration.ts'

/** A folder of a bucket, as it is declared. */
export interface DeclaredPlace {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix?: string
  readonly endpointCA?: string
}

/** The certificates that a place names. */
export const certificatesOf = ({ endpointCA }: Pick<DeclaredPlace, 'endpointCA'>): NamedPath[] =>
  endpointCA === undefined ? [] : [{ path: endpointCA, is: 'certificates' }]

/** Refuses certificate authorities for an endpoint without TLS, where they have no effect. */
export const certificatesWithoutTls = (
  { endpoint, endpointCA }: Pick<DeclaredPlace, 'endpoint' | 'endpointCA'>,
  path: readonly string[],
): SpecProblem[] =>
  endpointCA === undefined || /^https:/i.test(endpoint)
    ? []
    : [{ path, what: `${endpoint} shows no certificate: begin it with https://, or leave this out` }]

/** Claims the whole folder: no other store, nor the witness, may be inside or above it. */
export const placeClaim = (place: DeclaredPlace, path: readonly string[]): Claim => ({
  key: `s3 ${bucketIdentity(place)}/`,
  below: place.prefix ?? '',
  path,
})

/**
 * One text for one bucket, regardless of how its endpoint is written: letter case, the scheme's default port, a slash
 * or a dot at the end. A bucket name of Amazon is unique worldwide, so all its endpoints (regional, dual-stack, FIPS)
 * count as one. Pure: does not ask DNS.
 */
export function bucketIdentity({ endpoint, bucket }: DeclaredPlace): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null) return `${endpoint.toLowerCase()}/${bucket}`
  const host = url.hostname.replace(/\.$/, '')
  if (/(^|\.)s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?$/.test(host)) return `amazonaws.com/${bucket}`
  return `${host}:${url.port === '' ? portOf(url.protocol) : url.port}${url.pathname.replace(/\/+$/, '')}/${bucket}`
}
const portOf = (protocol: string): string => (protocol === 'https:' ? '443' : '80')

/** Warns of backups and keys that are sent in clear text, unless they stay in a private network. */
export function unencrypted({ endpoint }: Pick<DeclaredPlace, 'endpoint'>, path: readonly string[]): SpecProblem[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url?.protocol !== 'http:' || isPrivate(url.hostname)) return []
  return [
    {
      path,
      what: `${endpoint} is not encrypted: anyone on the network path reads what is stored there`,
      severity: 'warning',
    },
  ]
}

/** Loopback, private addresses (RFC 1918, RFC 4193), names without a dot, and names under non-public domains. */
const isPrivate = (host: string): boolean =>
  /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd])/i.test(host) ||
  !/[.:]/.test(host) ||
  /\.(localhost|local|internal|lan|lab|svc|svc\.cluster\.local|home\.arpa|test)\.?$/i.test(host)
