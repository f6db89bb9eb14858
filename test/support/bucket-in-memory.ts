import { createHash } from 'node:crypto'
import type { ObjectInfo, ObjectStoreClient, ObjectStoreLocation } from '../../src/clients/object-store-client.ts'
import { siteError } from '../../src/errors/standby-error.ts'

export interface BucketInMemory {
  readonly client: ObjectStoreClient
  readonly location: ObjectStoreLocation
  /** By key. */
  readonly objects: Map<string, string>
  policy: string | null
}

/** A bucket that keeps its objects in memory: versions, preconditions and order as those of a real one. */
export function bucketInMemory(bucket: string): BucketInMemory {
  const objects = new Map<string, string>()
  const versionOf = (body: string): string => `"${createHash('md5').update(body).digest('hex')}"`
  const infoOf = (key: string, body: string): ObjectInfo => ({
    key,
    bytes: Buffer.byteLength(body),
    version: versionOf(body),
    modified: '2026-11-21T06:00:00.000Z',
  })
  const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } }
  const made: BucketInMemory = {
    objects,
    policy: null,
    location: {
      endpoint: `https://${bucket}.example.com`,
      region: 'us-east-1',
      bucket,
      prefix: '',
      credentials: keys,
      readCredentials: keys,
      policyCredentials: keys,
    },
    client: {
      async get(key) {
        const body = objects.get(key)
        return body === undefined ? null : { body, version: versionOf(body) }
      },
      async head(key) {
        const body = objects.get(key)
        return body === undefined ? null : infoOf(key, body)
      },
      async put(key, content, options = {}) {
        const body = typeof content === 'string' ? content : Buffer.from(content).toString('utf8')
        const before = objects.get(key)
        const { condition } = options
        const holds =
          condition === undefined ||
          ('ifAbsent' in condition
            ? before === undefined
            : before !== undefined && versionOf(before) === condition.ifVersion)
        if (!holds) throw siteError('object-store-precondition', `${key} is another one by now`)
        if (isDenied(made.policy, `${bucket}/${key}`))
          throw siteError('object-store-denied', `${key} may not be written`)
        objects.set(key, body)
        return versionOf(body)
      },
      async list(prefix, { startAfter = '', limit } = {}) {
        const found = [...objects].filter(([key]) => key.startsWith(prefix) && key > startAfter)
        return found
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .slice(0, limit)
          .map(([key, body]) => infoOf(key, body))
      },
      async remove(key) {
        objects.delete(key)
      },
      presignedGet: async (key) => `https://${bucket}.example.com/${key}?signature=s`,
      presignedPut: async (key) => `https://${bucket}.example.com/${key}?signature=p`,
      policy: async () => made.policy,
      async putPolicy(policy) {
        made.policy = policy
      },
      versioning: async () => 'enabled',
    },
  }
  return made
}

/** Whether a statement of a policy denies everyone to write this object. */
function isDenied(policy: string | null, object: string): boolean {
  if (policy === null) return false
  const { Statement } = JSON.parse(policy) as {
    readonly Statement: readonly {
      readonly Effect: string
      readonly Action: readonly string[]
      readonly Resource: readonly string[]
    }[]
  }
  return Statement.some(
    ({ Effect, Action, Resource }) =>
      Effect === 'Deny' &&
      Action.includes('s3:PutObject') &&
      Resource.some((resource) => `arn:aws:s3:::${object}`.startsWith(resource.replace(/\*$/, ''))),
  )
}
