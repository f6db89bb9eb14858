import type { Claim } from '../../domain/declaration.ts'
import type { DeclaredEndpoint } from '../declared-endpoint.ts'

/** A folder of a bucket, as it is declared. */
export interface DeclaredPlace extends DeclaredEndpoint {
  readonly bucket: string
  readonly prefix?: string
}

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
