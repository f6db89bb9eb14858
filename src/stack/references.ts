import type { CredentialReference } from '../domain/stack.ts'
import { isObject, type Json } from '../values/json.ts'

/** A reference to a credential, with its path. */
export interface PlacedReference {
  readonly path: readonly string[]
  readonly reference: CredentialReference
}

/** All references to credentials in a declared value, in the order of the file. Pure. */
export function referencesIn(value: Json, path: readonly string[] = []): PlacedReference[] {
  if (isReference(value)) return [{ path, reference: value }]
  if (Array.isArray(value)) return value.flatMap((item: Json, index) => referencesIn(item, [...path, String(index)]))
  return isObject(value) ? Object.entries(value).flatMap(([key, part]) => referencesIn(part, [...path, key])) : []
}

/** As in the schema of a reference: exactly one key. */
function isReference(value: Json): value is CredentialReference & Json {
  if (!isObject(value) || Object.keys(value).length !== 1) return false
  const { env, file, secret } = value
  return typeof env === 'string' || typeof file === 'string' || (isObject(secret) && typeof secret.key === 'string')
}
