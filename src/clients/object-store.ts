import { createHash } from 'node:crypto'
import { AwsV4Signer } from 'aws4fetch'
import { exemptAddress } from '../runtime/proxies.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { AccessKeys, KeySource } from './access-keys.ts'
import type { ObjectInfo, ObjectStoreClient, StoreCallOptions } from './object-store-client.ts'
import {
  didNothingYet,
  isLimited,
  isPage,
  notAnObjectStore,
  objectStoreRefusal,
  objectStoreUnreachable,
  objectStoreUnreadable,
  retryOfStore,
} from './object-store-errors.ts'
import { encodeKey, infoOf, listedInfo, type StoreRequest } from './object-store-wire.ts'
import { SILENCE } from './patience.ts'
import { measuredWay } from './round-trip.ts'
import { contentOf, textOf } from './s3-xml.ts'
import type { ServerTime } from './server-time.ts'
import type { Attempt, StoreAnswer } from './store-answer.ts'
import { answered, exchanged, type StoreDialect } from './store-exchange.ts'

/*
 * S3 is hand-written around aws4fetch, which signs. The AWS SDK's client has 589 kB of the bundle for six commands and
 * a release each day, sends checksums that older stores refuse, and repeats a write whose answer was lost. The witness
 * needs the opposite: raw preconditions (If-None-Match, If-Match), the `Date` of each answer, no repeated write unless
 * the store says that it did nothing, and the reason for silence.
 */

export type ObjectStoreAccess = ObjectStorePlace & (AccessKeys | KeySource)
export interface ObjectStorePlace {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Ends with `/`, or is empty. */
  readonly prefix: string
  /** PEM: the authorities that alone vouch for the endpoint; those of Node when absent. */
  readonly authorities?: string
  /** Ends all calls. */
  readonly signal?: AbortSignal
  /** Hears what time each answer says. */
  readonly time?: Pick<ServerTime, 'hear'>
}

const DEADLINE: Milliseconds = seconds(10)
/** Of all pages of a list together, where the caller names no other. */
const LIST_DEADLINE: Milliseconds = seconds(120)
const PAGE = 1_000

/**
 * A client of one place in a bucket: path-style, signed payloads, none of the SDK's checksums that older stores refuse.
 * Contacts nothing yet.
 */
export function openObjectStore(
  access: ObjectStoreAccess,
  way = measuredWay(access.endpoint, SILENCE),
): ObjectStoreClient {
  exemptAddress(access.endpoint)
  const keys = async (): Promise<AccessKeys> => {
    const { accessKeyId, secretAccessKey, sessionToken } = 'keys' in access ? await access.keys() : access
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
  }
  const url = (request: StoreRequest): URL => {
    const key = request.key === null ? '' : `/${encodeKey(access.prefix + request.key)}`
    const at = new URL(`${access.endpoint.replace(/\/$/, '')}/${encodeKey(access.bucket)}${key}`)
    for (const [name, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) at.searchParams.set(name, value)
    return at
  }
  const attempt = (request: StoreRequest): Attempt => ({
    endpoint: access.endpoint,
    region: access.region,
    bucket: access.bucket,
    key: request.key === null ? null : access.prefix + request.key,
    action: request.action,
    method: request.method,
    condition: conditionOf(request),
  })

  const once = async (request: StoreRequest, signal: AbortSignal, heard?: () => void): Promise<StoreAnswer> => {
    const body = request.body ?? new Uint8Array()
    const signed = await new AwsV4Signer({
      method: request.method,
      url: url(request).href,
      headers: { ...request.headers, 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') },
      service: 's3',
      region: access.region,
      ...(await keys()),
    }).sign()
    const asked = {
      method: request.method,
      headers: signed.headers,
      signal,
      ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
    }
    return exchanged(signed.url, asked, access, request.largest, heard)
  }
  const dialectOf = (request: StoreRequest): StoreDialect => ({
    retry: retryOfStore,
    didNothingYet,
    isLimited,
    unreachable: (why, cause) => objectStoreUnreachable(attempt(request), why, cause),
    unreadable: (cause) => objectStoreUnreadable(attempt(request), cause),
  })

  /** An answer in the 2xx, or one of the statuses that the caller expects; everything else is thrown. */
  const send = async (
    request: StoreRequest,
    options?: StoreCallOptions,
    ...expected: number[]
  ): Promise<StoreAnswer> => {
    const begun = performance.now()
    const answerTo = (asked: StoreRequest): Promise<StoreAnswer> =>
      answered(
        {
          isRead: asked.method === 'GET' || asked.method === 'HEAD',
          once: (signal, heard) => once(asked, signal, heard),
        },
        dialectOf(asked),
        way,
        {
          deadline: options?.deadline ?? DEADLINE,
          begun,
          signals: [access.signal, options?.signal],
          limited: options?.limited,
        },
      )
    const answer = await answerTo(request)
    if (answer.status >= 200 && answer.status < 300) return answer
    if (expected.includes(answer.status) && !isPage(answer)) return answer
    throw objectStoreRefusal(
      attempt(request),
      answer.status < 500 && request.method === 'HEAD' ? await inFull(answer, request, answerTo) : answer,
    )
  }
  /** HEAD has no body that says why it was refused; GET has. */
  const inFull = async (
    answer: StoreAnswer,
    request: StoreRequest,
    answerTo: (asked: StoreRequest) => Promise<StoreAnswer>,
  ): Promise<StoreAnswer> => {
    const explained = await answerTo({
      ...request,
      method: 'GET',
      headers: { ...request.headers, range: 'bytes=0-0' },
    }).catch(() => answer)
    return explained.status === answer.status ? explained : answer
  }
  /** The version of an object that was read or written. Every store names it: what does not is none. */
  const versionIn = (answer: StoreAnswer, request: StoreRequest): string => {
    const version = answer.headers.get('etag')
    if (version === null || version === '') throw notAnObjectStore(attempt(request), answer)
    return version
  }

  /** The address of one request that another program makes, with the same headers. */
  const presigned = async (request: StoreRequest, lifetime: Milliseconds): Promise<string> => {
    const at = url(request)
    at.searchParams.set('X-Amz-Expires', String(Math.ceil(lifetime / 1_000)))
    const signed = await new AwsV4Signer({
      method: request.method,
      url: at.href,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
      signQuery: true,
      service: 's3',
      region: access.region,
      ...(await keys()),
    }).sign()
    return signed.url.href
  }

  return {
    way,

    async get(key, options) {
      const request: StoreRequest = { method: 'GET', key, action: 's3:GetObject', largest: options?.largest }
      const answer = await send(request, options, 404)
      if (answer.status === 200) return { body: answer.text, version: versionIn(answer, request) }
      // The bucket may be what is missing, its tenant, or the address of it: nothing but this says that there is no
      // such object.
      if (textOf(answer.text, 'Code') !== 'NoSuchKey') throw objectStoreRefusal(attempt(request), answer)
      return null
    },

    async head(key, options) {
      const request: StoreRequest = { method: 'HEAD', key, action: 's3:GetObject' }
      const answer = await send(request, options, 404)
      return answer.status === 404 ? null : infoOf(key, answer.headers, versionIn(answer, request))
    },

    async put(key, body, options = {}) {
      const { condition } = options
      const headers: Record<string, string> = { 'content-type': options.contentType ?? 'application/octet-stream' }
      for (const [name, value] of Object.entries(options.metadata ?? {})) headers[`x-amz-meta-${name}`] = value
      if (condition !== undefined && 'ifAbsent' in condition) headers['if-none-match'] = '*'
      if (condition !== undefined && 'ifVersion' in condition) headers['if-match'] = condition.ifVersion
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      // A bucket with Object Lock takes no write without it.
      headers['content-md5'] = md5Of(bytes)
      const request: StoreRequest = { method: 'PUT', key, action: 's3:PutObject', headers, body: bytes }
      const answer = await send(request, options, 404)
      if (answer.status !== 404) return versionIn(answer, request)
      // Replacing an object that was removed meanwhile: the condition does not hold.
      const code = textOf(answer.text, 'Code')
      const overtaken = condition !== undefined && code !== null && code !== 'NoSuchBucket'
      throw objectStoreRefusal(attempt(request), overtaken ? { ...answer, status: 412 } : answer)
    },

    async list(prefix, options = {}) {
      const limit = options.limit ?? Number.POSITIVE_INFINITY
      const found: ObjectInfo[] = []
      const begun = performance.now()
      let token: string | undefined
      do {
        const query = {
          'list-type': '2',
          prefix: access.prefix + prefix,
          'max-keys': String(Math.min(PAGE, limit - found.length)),
          'continuation-token': token,
          'start-after':
            token === undefined && options.startAfter !== undefined ? access.prefix + options.startAfter : undefined,
        }
        // One deadline over all pages: a list without end must not keep the caller.
        const left = Math.max(1, (options.deadline ?? LIST_DEADLINE) - (performance.now() - begun))
        const bounds = { ...options, deadline: Math.min(left, options.deadline ?? DEADLINE) }
        const request: StoreRequest = { method: 'GET', key: null, action: 's3:ListBucket', query }
        const answer = await send(request, bounds)
        const { text } = answer
        // An answer of another program has no entries, which must not read as an empty folder.
        if (contentOf(text, 'ListBucketResult', 1).length === 0) throw notAnObjectStore(attempt(request), answer)
        for (const content of contentOf(text, 'Contents')) found.push(listedInfo(content, access.prefix))
        const before = token
        token = textOf(text, 'IsTruncated') === 'true' ? (textOf(text, 'NextContinuationToken') ?? '') : undefined
        // A list that continues without saying where would read as a shorter one.
        if (token !== undefined && (token === '' || token === before)) throw notAnObjectStore(attempt(request), answer)
      } while (token !== undefined && found.length < limit)
      return found.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    async remove(key, options) {
      const request: StoreRequest = { method: 'DELETE', key, action: 's3:DeleteObject' }
      const answer = await send(request, options, 404)
      if (textOf(answer.text, 'Code') === 'NoSuchBucket') throw objectStoreRefusal(attempt(request), answer)
    },

    presignedGet: (key, lifetime) => presigned({ method: 'GET', key, action: 's3:GetObject' }, lifetime),
    presignedPut: (key, md5, lifetime) =>
      presigned({ method: 'PUT', key, action: 's3:PutObject', headers: { 'content-md5': md5 } }, lifetime),

    async policy(options) {
      const request: StoreRequest = { method: 'GET', key: null, action: 's3:GetBucketPolicy', query: { policy: '' } }
      const answer = await send(request, options, 404)
      if (answer.status !== 404) return answer.text
      if (textOf(answer.text, 'Code') === 'NoSuchBucketPolicy') return null
      throw objectStoreRefusal(attempt(request), answer)
    },

    async putPolicy(policy, options) {
      const common = {
        key: null,
        action: policy === null ? 's3:DeleteBucketPolicy' : 's3:PutBucketPolicy',
        query: { policy: '' },
      } as const
      if (policy === null) {
        await send({ ...common, method: 'DELETE' }, options)
        return
      }
      const body = new TextEncoder().encode(policy)
      // S3 insists on a digest of the body here.
      const headers = { 'content-type': 'application/json', 'content-md5': md5Of(body) }
      await send({ ...common, method: 'PUT', headers, body }, options)
    },

    async versioning(options) {
      const request: StoreRequest = {
        method: 'GET',
        key: null,
        action: 's3:GetBucketVersioning',
        query: { versioning: '' },
      }
      // Stores without versions, and keys that may not ask, say so with one of these.
      const answer = await send(request, options, 400, 403, 405, 501)
      if (answer.status !== 200) return 'unknown'
      const status = textOf(answer.text, 'Status')
      if (status === 'Enabled') return 'enabled'
      return status === 'Suspended' ? 'suspended' : 'off'
    },
  }
}

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')

function conditionOf({ headers = {} }: StoreRequest): Attempt['condition'] {
  if ('if-none-match' in headers) return 'If-None-Match'
  return 'if-match' in headers ? 'If-Match' : null
}
