import type { Claim, NamedPath, SpecProblem } from '../../domain/declaration.ts'

/** A folder of a bucket, as it is declared. */
export interface DeclaredPlace {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix?: string
  readonly endpointCA?: string
}

/** The certificates that a place names. */
export const certificatesOf = ({ endpointCA }: DeclaredPlace): NamedPath[] =>
  endpointCA === undefined ? [] : [{ path: endpointCA, is: 'certificates' }]

/** Authorities of an address that shows no certificate would say nothing. */
export const certificatesWithoutTls = (
  { endpoint, endpointCA }: DeclaredPlace,
  path: readonly string[],
): SpecProblem[] =>
  endpointCA === undefined || /^https:/i.test(endpoint)
    ? []
    : [{ path, what: `${endpoint} shows no certificate: begin it with https://, or leave this out` }]

/** The whole folder is claimed: neither another store nor the witness may lie in it, or hold it. */
export const placeClaim = (place: DeclaredPlace, path: readonly string[]): Claim => ({
  key: `s3 ${bucketIdentity(place)}/`,
  below: place.prefix ?? '',
  path,
})

/**
 * One text for one bucket, however its endpoint is written: letter case, the scheme's own port, a slash or a dot at the
 * end. Amazon's buckets have one name world-wide, so its endpoints (of a region, dual-stack, FIPS) are one. Pure: what
 * DNS says is not looked at.
 */
export function bucketIdentity({ endpoint, bucket }: DeclaredPlace): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null) return `${endpoint.toLowerCase()}/${bucket}`
  const host = url.hostname.replace(/\.$/, '')
  if (/(^|\.)s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?$/.test(host)) return `amazonaws.com/${bucket}`
  return `${host}:${url.port === '' ? portOf(url.protocol) : url.port}${url.pathname.replace(/\/+$/, '')}/${bucket}`
}
const portOf = (protocol: string): string => (protocol === 'https:' ? '443' : '80')

/** Backups and keys of the store in clear text are worth a word, unless they stay in a private network. */
export function unencrypted({ endpoint }: DeclaredPlace, path: readonly string[]): SpecProblem[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url?.protocol !== 'http:' || isPrivate(url.hostname)) return []
  return [
    {
      path,
      what: `${endpoint} is not encrypted: whoever is on the way reads what is stored there`,
      severity: 'warning',
    },
  ]
}

/** Loopback, private addresses (RFC 1918, RFC 4193), names without a dot, and names that no public server has. */
const isPrivate = (host: string): boolean =>
  /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd])/i.test(host) ||
  !/[.:]/.test(host) ||
  /\.(localhost|local|internal|lan|lab|svc|svc\.cluster\.local|home\.arpa|test)\.?$/i.test(host)
