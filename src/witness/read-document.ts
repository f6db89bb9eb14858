import type { ConditionalStore } from './conditional-store.ts'
import type { Decoded } from './damage.ts'
import { type DocumentKind, decode, soundOrThrow } from './decode.ts'

export interface Versioned<Record> {
  readonly record: Record
  readonly version: string
}

/** An object of the witness; null when there is none. Throws `witness-damaged`. */
export async function readDocument<T>(
  store: ConditionalStore,
  kind: DocumentKind<T>,
  key: string,
): Promise<Versioned<T> | null> {
  const found = await store.get(key)
  return found === null
    ? null
    : { record: soundOrThrow(decode(kind, key, found.body, store.stack)), version: found.version }
}

/** The same for a caller that can do without the object: damage is a value. */
export async function tryDocument<T>(
  store: ConditionalStore,
  kind: DocumentKind<T>,
  key: string,
): Promise<Decoded<T> | null> {
  const found = await store.get(key)
  return found === null ? null : decode(kind, key, found.body, store.stack)
}
