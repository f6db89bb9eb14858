import type { KeysReference } from '../../clients/object-store-client.ts'
import { keysOrLogin } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'
import { place } from './declared-place.ts'

/** The witness: a bucket outside both sites. */
export interface S3WitnessSpec {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly prefix?: string
  readonly endpointCA?: string
  readonly credentials: KeysReference
}

export const s3WitnessSchema: JsonObject = {
  description: 'S3 with conditional writes, outside both sites.',
  required: ['endpoint', 'region', 'bucket', 'credentials'],
  properties: { ...place, credentials: keysOrLogin },
}
