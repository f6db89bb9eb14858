import type { Claim } from '../../planning/driver.ts'

/** A folder of a bucket, as it is declared. */
export interface DeclaredPlace {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix?: string
}

/** The whole folder is claimed: neither another store nor the witness may lie in it, or hold it. */
export const placeClaim = (place: DeclaredPlace, path: readonly string[]): Claim => ({
  key: `s3 ${bucketIdentity(place)}/`,
  below: place.prefix ?? '',
  path,
})

/**
 * One text for one bucket, however its endpoint is written: letter case, the scheme's own port, a slash or a dot at the end. Amazon's
 * buckets have one name world-wide, so its endpoints (of a region, dual-stack, FIPS) are one. Pure: what DNS says is not looked at.
 */
export function bucketIdentity({ endpoint, bucket }: DeclaredPlace): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null) return `${endpoint.toLowerCase()}/${bucket}`
  const host = url.hostname.replace(/\.$/, '')
  if (/(^|\.)s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?$/.test(host)) return `amazonaws.com/${bucket}`
  return `${host}:${url.port === '' ? portOf(url.protocol) : url.port}${url.pathname.replace(/\/+$/, '')}/${bucket}`
}
const portOf = (protocol: string): string => (protocol === 'https:' ? '443' : '80')
