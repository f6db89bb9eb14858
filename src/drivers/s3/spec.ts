import type { KeysReference, ObjectStoreLocation } from '../../clients/object-store-client.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { keysOrLogin, siteMap } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'
import { place } from '../../witness/s3/declared-place.ts'

/** One bucket per site, in which its databases and caches keep their backups. */
export interface S3Spec {
  readonly sites: Readonly<Record<string, S3Site>>
}

export interface S3Site {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly prefix?: string
  readonly endpointCA?: string
  readonly credentials: KeysReference
  readonly readCredentials?: KeysReference
  readonly policyCredentials?: KeysReference
}

export const s3Schema: JsonObject = fieldsOf<S3Spec>()({
  description: 'Object storage for backups and archives, one bucket per site.',
  required: ['sites'],
  properties: {
    sites: siteMap(
      'The bucket that a site writes to.',
      fieldsOf<S3Site>()({
        type: 'object',
        required: ['endpoint', 'region', 'bucket', 'credentials'],
        additionalProperties: false,
        properties: {
          ...place,
          credentials: { ...keysOrLogin, description: 'Write access, used inside the site.' },
          readCredentials: {
            ...keysOrLogin,
            description: 'Read-only access, used by other sites and restore tests; `credentials` when absent.',
          },
          policyCredentials: {
            ...keysOrLogin,
            description:
              "May read and replace the bucket's policy: a failover closes the archive of a lost site with it. Without it that level of fence is not reached.",
          },
        },
      }),
    ),
  },
})

/** The declared bucket of a site. */
export function locationOf(component: Component<S3Spec>, site: SiteName): ObjectStoreLocation {
  const declared = component.spec.sites[site]
  if (declared === undefined) throw new Error(`${component.name} declares no bucket for ${site}`)
  return {
    endpoint: declared.endpoint,
    region: declared.region,
    bucket: declared.bucket,
    prefix: declared.prefix ?? '',
    credentials: declared.credentials,
    readCredentials: declared.readCredentials ?? declared.credentials,
    ...(declared.endpointCA === undefined ? {} : { endpointCA: declared.endpointCA }),
    ...(declared.policyCredentials === undefined ? {} : { policyCredentials: declared.policyCredentials }),
  }
}

/** Where a deploy probes the service and keeps the result. */
export const PROBE = 'standby-probe/'

export const PROBE_RESULT = `${PROBE}result.json`
