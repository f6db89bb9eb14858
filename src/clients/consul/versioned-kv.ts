import { inputError, type StandbyError, siteError } from '../../errors/standby-error.ts'
import { exemptAddress } from '../../runtime/proxies.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { ObjectInfo, ObjectStoreClient, PutCondition, StoreCallOptions } from '../object-store-client.ts'
import { encodeKey } from '../object-store-wire.ts'
import { SILENCE } from '../patience.ts'
import { measuredWay } from '../round-trip.ts'
import type { ServerTime } from '../server-time.ts'
import type { StoreAnswer } from '../store-answer.ts'
import { answered, exchanged, type StoreDialect } from '../store-exchange.ts'
import { retryOfStatus, retryOfWire } from '../worth-another-try.ts'

/*
 * Objects with versions in the KV store of Consul. It has a wire of its own beside that of the drivers
 * (`client.ts`): a lock is renewed every few seconds, so connections are kept; the `Date` of each answer is heard; and
 * a limit of requests is waited for.
 */

export interface ConsulPlace {
  /** `https://consul.dc-c.example.com:8501`: of a server, an agent, or a load balancer before the servers. */
  readonly endpoint: string
  /** The datacenter whose KV store is meant, whichever agent answers: each datacenter has its own. */
  readonly datacenter: string
  /** Ends with `/`, or is empty. */
  readonly prefix: string
  readonly token: string
  /** PEM: the authorities that alone vouch for the endpoint; those of Node when absent. */
  readonly authorities?: string
  /** Hears what time each answer says. */
  readonly time?: Pick<ServerTime, 'hear'>
}

/** What a witness needs of a store. Errors have the codes of object stores. */
export type ConsulKv = Pick<ObjectStoreClient, 'way' | 'get' | 'head' | 'put'> & {
  list(prefix: string, options?: StoreCallOptions): Promise<{ readonly key: string }[]>
}

const DEADLINE: Milliseconds = seconds(10)
/** Bytes of a value that Consul takes (`limits.kv_max_value_size`, where it is not set otherwise). */
const LARGEST_VALUE = 512 * 1024
/** Bytes of a request to `/v1/txn` (`limits.txn_max_req_len`), less what surrounds the value. */
const LARGEST_TRANSACTION = 512 * 1024 - 4 * 1024

/** A client of one place in the KV store of one datacenter. Contacts nothing yet. */
export function openConsulKv(place: ConsulPlace): ConsulKv {
  exemptAddress(place.endpoint)
  const way = measuredWay(place.endpoint, SILENCE)

  const send = async (request: KvRequest, options: StoreCallOptions = {}): Promise<StoreAnswer> => {
    const { method, path, query = {}, body } = request
    const url = new URL(`${place.endpoint.replace(/\/$/, '')}/v1/${path}`)
    for (const [name, value] of Object.entries({ ...query, dc: place.datacenter })) url.searchParams.set(name, value)
    const headers = new Headers({ 'x-consul-token': place.token })
    const asked = { method, headers, ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }) }
    const answer = await answered(
      {
        isRead: method === 'GET',
        once: (signal, heard) => exchanged(url, { ...asked, signal }, place, options.largest, heard),
      },
      dialectOf(place, request),
      way,
      {
        deadline: options.deadline ?? DEADLINE,
        begun: performance.now(),
        signals: [options.signal],
        limited: options.limited,
      },
    )
    if (answer.status === 200 || (request.accepts ?? []).includes(answer.status)) return answer
    throw refusal(place, request, answer)
  }

  /** The entry of a key, of which a consistent read knows the last write. */
  const entryOf = async (key: string, options?: StoreCallOptions): Promise<Entry | null> => {
    const request: KvRequest = {
      method: 'GET',
      path: `kv/${encodeKey(place.prefix + key)}`,
      query: { consistent: '' },
      accepts: [404],
      about: key,
    }
    // What surrounds the value is small; the value is in base64.
    const largest = options?.largest === undefined ? {} : { largest: Math.ceil((options.largest * 4) / 3) + 4096 }
    const answer = await send(request, { ...options, ...largest })
    if (answer.status === 404) {
      // Only Consul itself says which index it has; a proxy or another program does not.
      if (!answer.headers.has('x-consul-index')) throw notConsul(place, request, answer)
      return null
    }
    const entry = entryIn(jsonIn(answer))
    if (entry === null) throw notConsul(place, request, answer)
    return entry
  }

  /**
   * Writes by `PUT ?cas=`, whose answer says whether the precondition held, and refuses a missing right by its status.
   */
  const putAlone = async (key: string, body: string, index: string, options: StoreCallOptions): Promise<string> => {
    const request: KvRequest = {
      method: 'PUT',
      path: `kv/${encodeKey(place.prefix + key)}`,
      query: { cas: index },
      body,
      about: key,
    }
    const answer = await send(request, options)
    const said = jsonIn(answer)
    if (said === false) throw overtaken(place, key)
    if (said !== true) throw notConsul(place, request, answer)
    const found = await entryOf(key, options)
    // Overwritten since then: the version that it was written over belongs to no object any more.
    return found?.text === body ? found.version : index
  }

  /** The same as a transaction, whose answer has the new version; null where it says nothing that is certain. */
  const putInTransaction = async (
    key: string,
    body: string,
    index: string,
    options: StoreCallOptions,
  ): Promise<string | null> => {
    const operation = {
      KV: {
        Verb: 'cas',
        Key: place.prefix + key,
        Value: Buffer.from(body, 'utf8').toString('base64'),
        Index: Number(index),
      },
    }
    const transaction = JSON.stringify([operation])
    if (transaction.length > LARGEST_TRANSACTION) return null
    const request: KvRequest = { method: 'PUT', path: 'txn', body: transaction, accepts: [409, 413], about: key }
    const answer = await send(request, options)
    // Rolled back: by another writer, or for a right that is missing. Only the text of its errors would say which.
    if (answer.status !== 200) return null
    const version = versionOf(resultIn(jsonIn(answer)))
    if (version === null) throw notConsul(place, request, answer)
    return version
  }

  return {
    way,

    async get(key, options) {
      const entry = await entryOf(key, options)
      return entry === null ? null : { body: entry.text, version: entry.version }
    },

    async head(key, options) {
      const entry = await entryOf(key, options)
      return entry === null ? null : infoOf(key, entry)
    },

    async put(key, body, { condition, ...options } = {}) {
      const text = typeof body === 'string' ? body : new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)
      const bytes = Buffer.byteLength(text)
      if (bytes > LARGEST_VALUE) throw tooLarge(place, key, bytes)
      if (condition === undefined) throw new Error(`${key} would be written without a precondition`)
      const index = indexOf(condition)
      if (index === null) throw overtaken(place, key)
      return (await putInTransaction(key, text, index, options)) ?? (await putAlone(key, text, index, options))
    },

    async list(prefix, options) {
      const request: KvRequest = {
        method: 'GET',
        path: `kv/${encodeKey(place.prefix + prefix)}`,
        query: { keys: '', consistent: '' },
        accepts: [404],
        about: prefix,
      }
      const answer = await send(request, options)
      // A token that may not read all gets a shorter list, or none.
      if (answer.headers.get('x-consul-results-filtered-by-acls') === 'true') throw denied(place, request, answer)
      if (answer.status === 404) {
        if (!answer.headers.has('x-consul-index')) throw notConsul(place, request, answer)
        return []
      }
      const keys = jsonIn(answer)
      if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) throw notConsul(place, request, answer)
      return keys.map((key) => ({ key: key.slice(place.prefix.length) })).sort((a, b) => (a.key < b.key ? -1 : 1))
    },
  }
}

interface KvRequest {
  readonly method: 'GET' | 'PUT'
  /** Below `/v1/`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: string
  /** Statuses that are an answer beside 200. */
  readonly accepts?: readonly number[]
  /** The key, or its beginning, without the place. */
  readonly about: string
}

interface Entry {
  readonly text: string
  readonly version: string
}

/** The index that a write needs; null for a version that no entry has. Consul creates only what is absent by 0. */
function indexOf(condition: PutCondition): string | null {
  if ('ifAbsent' in condition) return '0'
  return /^[1-9][0-9]{0,15}$/.test(condition.ifVersion) ? condition.ifVersion : null
}

function jsonIn({ text }: StoreAnswer): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function entryIn(value: unknown): Entry | null {
  const [found] = Array.isArray(value) ? (value as readonly unknown[]) : []
  const version = versionOf(found)
  // An entry without a value has null.
  const { Value } = (found ?? {}) as { readonly Value?: unknown }
  if (version === null || (typeof Value !== 'string' && Value !== null)) return null
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(Value ?? '', 'base64'))
  return { text, version }
}

/** Of a transaction with one operation: the entry that it wrote. */
function resultIn(value: unknown): unknown {
  const { Results } = (value ?? {}) as { readonly Results?: unknown }
  const [result] = Array.isArray(Results) ? (Results as readonly { readonly KV?: unknown }[]) : []
  return result?.KV
}

function versionOf(entry: unknown): string | null {
  const { ModifyIndex } = (entry ?? {}) as { readonly ModifyIndex?: unknown }
  return typeof ModifyIndex === 'number' && Number.isSafeInteger(ModifyIndex) && ModifyIndex > 0
    ? String(ModifyIndex)
    : null
}

const infoOf = (key: string, { text, version }: Entry): ObjectInfo => ({
  key,
  bytes: Buffer.byteLength(text),
  version,
  // Consul does not keep it.
  modified: new Date(0).toISOString(),
})

const whereOf = ({ endpoint, datacenter }: ConsulPlace, key: string): string => `${endpoint} (${datacenter}) ${key}`

function dialectOf(place: ConsulPlace, { about }: KvRequest): StoreDialect {
  return {
    retry: ({ status }) => retryOfStatus(status),
    didNothingYet: isLimited,
    isLimited,
    unreachable: (why, cause) => unreachable(place, about, why, cause),
    unreadable: (cause) =>
      siteError('object-store-unreadable', `${about} ${cause.message}`, {
        where: whereOf(place, about),
        next: 'Find out who wrote it, and restore it from a snapshot.',
        cause,
      }),
  }
}

/** `limits.request_limits` of its servers, in mode `enforcing`. */
const isLimited = ({ status }: StoreAnswer): boolean => status === 429

const unreachable = (place: ConsulPlace, key: string, why: string, cause?: unknown): StandbyError =>
  siteError('object-store-unreachable', `Consul at ${place.endpoint} does not answer: ${why}`, {
    where: whereOf(place, key),
    next: `Check that ${place.endpoint} is reachable from here, and that the datacenter ${place.datacenter} has a leader (consul operator raft list-peers).`,
    cause,
    retry: cause === undefined ? 'transient' : retryOfWire(cause),
  })

const overtaken = (place: ConsulPlace, key: string): StandbyError =>
  siteError('object-store-precondition', `${key} was written by another writer`, {
    where: whereOf(place, key),
    next: 'Read it again before writing.',
    retry: 'conflict',
  })

const tooLarge = (place: ConsulPlace, key: string, bytes: number): StandbyError =>
  siteError(
    'object-store-too-large',
    `${key} has ${bytes} bytes, and Consul takes values of at most ${LARGEST_VALUE} (kv_max_value_size)`,
    { where: whereOf(place, key), next: 'Keep the witness in S3: docs/witness.md.', retry: 'never' },
  )

const denied = (place: ConsulPlace, { method, about }: KvRequest, answer: StoreAnswer): StandbyError =>
  siteError(
    'object-store-denied',
    `Consul denies ${method === 'GET' ? 'reading' : 'writing'} ${place.prefix}${about} (HTTP ${answer.status})`,
    {
      where: whereOf(place, about),
      next: 'Look at the token and its policies: standby rbac prints the rules of each identity.',
      retry: 'never',
    },
  )

const notConsul = (place: ConsulPlace, { method, about }: KvRequest, { status }: StoreAnswer): StandbyError =>
  inputError(
    'object-store-not-consul',
    `${place.endpoint} is no Consul: it answers ${method} of ${about} with what Consul does not say (HTTP ${status})`,
    {
      where: whereOf(place, about),
      next: 'Correct `endpoint`: the address of the HTTP API of Consul; let proxies between pass its answers as they are.',
    },
  )

/** By its status alone: the texts of Consul are for people. */
function refusal(place: ConsulPlace, request: KvRequest, answer: StoreAnswer): StandbyError {
  const { status, text, retryAfter } = answer
  const where = whereOf(place, request.about)
  const said = `HTTP ${status}${text === '' ? '' : `: ${text.trim().slice(0, 200)}`}`
  if (status === 401 || status === 403) return denied(place, request, answer)
  if (status === 413) return tooLarge(place, request.about, Buffer.byteLength(request.body ?? ''))
  if (status === 429)
    return siteError('object-store-throttled', `Consul limits requests (${said})`, {
      where,
      next: 'Nothing, where it passes. If it does not, raise limits.request_limits of its servers, or find who else asks.',
      retry: 'transient',
      retryAfter,
    })
  // No leader, no way to the datacenter, a server that ends: it may pass, and the effect may have happened.
  if (status >= 500) return unreachable(place, request.about, said)
  return siteError('object-store-refused', `Consul refuses ${request.method} of ${request.about} (${said})`, {
    where,
    next: 'Look at the log of the server.',
    retry: 'never',
  })
}
