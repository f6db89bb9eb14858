import { keySource } from '../../clients/access-keys.ts'
import { openObjectStore } from '../../clients/object-store.ts'
import type { ObjectStoreClient } from '../../clients/object-store-client.ts'
import { NEEDS_PRECONDITIONS } from '../../clients/object-store-errors.ts'
import { serverTime } from '../../clients/server-time.ts'
import type { ConditionalStore, ConditionalStoreContext } from '../conditional-store.ts'
import { documentsIn } from '../documents-in.ts'
import type { Preconditions } from '../versioned-objects.ts'
import type { S3WitnessSpec } from './spec.ts'

/** The witness's storage on S3. Nothing is contacted before the first call. */
export async function openS3Store(spec: S3WitnessSpec, context: ConditionalStoreContext): Promise<ConditionalStore> {
  const time = serverTime()
  const store = openObjectStore({
    time,
    endpoint: spec.endpoint,
    region: spec.region,
    bucket: spec.bucket,
    prefix: spec.prefix ?? '',
    ...(spec.endpointCA === undefined ? {} : { authorities: await context.file(spec.endpointCA) }),
    ...(await keySource(spec.credentials, context.credential, context.login)),
  })
  return { ...conditionalStore(store, context.signal, { stack: context.stack, time }), address: spec.endpoint }
}

/** A ConditionalStore over any S3 client. */
export const conditionalStore = (
  store: ObjectStoreClient,
  signal: AbortSignal,
  parts: Omit<Parameters<typeof documentsIn>[2], 'preconditions'> = {},
): ConditionalStore => documentsIn(store, signal, { ...parts, preconditions: s3Preconditions })

export const s3Preconditions: Preconditions = {
  ifAbsent: 'If-None-Match',
  ifVersion: 'If-Match',
  // The MD5 of other bytes than any object of ours.
  noVersion: '"00000000000000000000000000000000"',
  next: NEEDS_PRECONDITIONS,
}
