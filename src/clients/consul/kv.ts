import type { JsonObject } from '../../values/json.ts'
import { type ConsulCall, type ConsulClient, inPath } from './client.ts'
import { numberIn, objectIn, objectsIn, textIn } from './fields.ts'

/** One key with its value, as text. */
export interface KvEntry {
  readonly key: string
  readonly value: string
  /** The index of its last write: what a compare-and-set rests on. */
  readonly modifyIndex: number
  /** A number that its writer chose; 0 where it chose none. */
  readonly flags: number
  /** The session that holds it; null: none. */
  readonly session: string | null
}

/** Where a key is read. */
export interface KvReading {
  /** Default: the datacenter of the addresses. */
  readonly datacenter?: string
}

/** The entry of a key; null: there is none. Errors: those of {@link ConsulClient}. */
export async function readKey(client: ConsulClient, key: string, reading: KvReading = {}): Promise<KvEntry | null> {
  const entries = await entriesOf(client, key, reading, {})
  return entries.find((entry) => entry.key === key) ?? null
}

/**
 * All entries whose keys begin with a prefix, in ascending order, read at one moment. Throws `refused` where the token
 * may not read one of them.
 */
export async function readKeysBelow(client: ConsulClient, prefix: string, reading: KvReading = {}): Promise<KvEntry[]> {
  const entries = await entriesOf(client, prefix, reading, { recurse: true })
  // Without a token Consul does not say that it left something out. A single key it refuses.
  if (entries.length === 0) await readKey(client, prefix, reading)
  return entries
}

async function entriesOf(
  client: ConsulClient,
  key: string,
  reading: KvReading,
  query: NonNullable<ConsulCall['query']>,
): Promise<KvEntry[]> {
  const call = callOf(key, reading, query)
  const { status, value, isFiltered } = await client.askJson(call)
  // Consul leaves out what the token may not read, and answers 404 where nothing is left.
  if (isFiltered) throw client.refused(call, 'the token may not read all keys')
  if (status === 404) return []
  if (!Array.isArray(value)) throw client.unreadable(call, 'it is no list of keys')
  return objectsIn(value).map((entry) => entryIn(client, call, entry))
}

function callOf(key: string, { datacenter }: KvReading, query: NonNullable<ConsulCall['query']>): ConsulCall {
  return {
    method: 'GET',
    path: `kv/${inPath(key)}`,
    // The leader confirms that it still leads: by default one that was just replaced may answer.
    query: { ...query, consistent: true },
    datacenter,
    accepts: [404],
    mostBytes: MOST_BYTES,
  }
}
/** A value may have 512 KiB. */
const MOST_BYTES = 4 * 1024 * 1024

function entryIn(client: ConsulClient, call: ConsulCall, entry: JsonObject): KvEntry {
  const { Key, ModifyIndex } = entry
  if (typeof Key !== 'string' || typeof ModifyIndex !== 'number')
    throw client.unreadable(call, 'a key has no name or no index')
  return {
    key: Key,
    value: Buffer.from(textIn(entry.Value), 'base64').toString('utf8'),
    modifyIndex: ModifyIndex,
    flags: numberIn(entry.Flags),
    session: textIn(entry.Session) || null,
  }
}

/**
 * Writes a key at the index that was seen, 0 for a new one; false: it is at another one, and nothing was written. True
 * for the value that the key has already, which leaves its index as it is.
 */
export async function writeKey(
  client: ConsulClient,
  key: string,
  value: string,
  { cas }: { readonly cas: number },
): Promise<boolean> {
  const call: ConsulCall = { method: 'PUT', path: `kv/${inPath(key)}`, query: { cas }, body: value }
  const { value: wasWritten } = await client.askJson(call)
  if (typeof wasWritten !== 'boolean') throw client.unreadable(call, 'it is neither true nor false')
  return wasWritten
}

/**
 * One operation of a transaction. `check-index`: the key is at this index. `check-session`: this session holds it. A
 * write of the value and the flags that a key has already leaves its index as it is.
 */
export type KvOperation =
  | { readonly verb: 'set'; readonly key: string; readonly value: string; readonly flags?: number }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: number }
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string }
  | { readonly verb: 'delete'; readonly key: string }

/**
 * True: all at most 64 operations took effect, at one moment. False: none did, because one of them does not hold, or
 * because the token lacks a right: Consul answers both alike, where {@link writeKey} is `refused`.
 */
export async function transact(client: ConsulClient, operations: readonly KvOperation[]): Promise<boolean> {
  const call: ConsulCall = {
    method: 'PUT',
    path: 'txn',
    accepts: [409],
    body: JSON.stringify(operations.map((operation) => ({ KV: kvOf(operation) }))),
  }
  const { status, value } = await client.askJson(call)
  if (status === 200) return true
  // A proxy that answers 409 is no refused transaction.
  if (objectsIn(objectIn(value).Errors).length === 0) throw client.unreadable(call, 'it names no operation')
  return false
}

const kvOf = (operation: KvOperation): JsonObject => ({
  Verb: operation.verb,
  Key: operation.key,
  ...('value' in operation ? { Value: Buffer.from(operation.value, 'utf8').toString('base64') } : {}),
  ...('flags' in operation ? { Flags: operation.flags } : {}),
  ...('index' in operation ? { Index: operation.index } : {}),
  ...('session' in operation ? { Session: operation.session } : {}),
})
