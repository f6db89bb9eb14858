import { isObject, type JsonObject } from '../values/json.ts'
import { parseStrictly } from '../values/strict-json.ts'
import { withoutWriteId } from './conditional-store.ts'
import { type Damage, type Decoded, damagedError, Unreadable } from './damage.ts'
import { defectOf } from './judge-document.ts'

/** One kind of object in the witness. `T` is the type of a value that satisfies the schema. */
export interface DocumentKind<T> {
  /** `witness.schema.json#/$defs/active`, or the schema that a driver declares for a record of its own. */
  readonly schema: string | JsonObject
  /** The way out when one of them is damaged. */
  readonly next: string
  /** The `schemaVersion` that is read; a later one has a text of its own. */
  readonly version: number
  /** Only for the type; has no value. */
  readonly type?: T
}

export const documentKind = <T>(schema: string | JsonObject, next: string, version = 1): DocumentKind<T> => ({
  schema,
  next,
  version,
})

/**
 * Judges a value that was read from the witness: the record, without the id of its write, or its damage. The only place
 * where content of the witness gets its type. `stack`: the stack that the witness is read for; null: any.
 */
export function decode<T>(kind: DocumentKind<T>, key: string, value: unknown, stack: string | null): Decoded<T> {
  const defect =
    unread(value) ?? fromTheFuture(kind.version, value) ?? ofAnother(stack, value) ?? defectOf(kind.schema, value)
  if (defect !== null) return { kind: 'damaged', code: 'witness-damaged', key, next: kind.next, ...defect }
  return { kind: 'sound', record: (isObject(value) ? withoutWriteId(value) : value) as T }
}

/** The record; throws `witness-damaged`. For callers that depend on it. */
export function soundOrThrow<T>(decoded: Decoded<T>): T {
  if (decoded.kind === 'damaged') throw damagedError(decoded)
  return decoded.record
}

/** The same for a text. */
export function decodeText<T>(kind: DocumentKind<T>, key: string, text: string, stack: string | null): Decoded<T> {
  return decode(kind, key, documentIn(text), stack)
}

/** The document in a text, for {@link decode}. */
export function documentIn(text: string): unknown {
  const parsed = parseStrictly(text)
  return 'why' in parsed ? new Unreadable(parsed.why) : parsed.value
}

type Wrong = Pick<Damage, 'path' | 'what'> & { readonly next?: string }

const unread = (value: unknown): Wrong | null => (value instanceof Unreadable ? { path: '$', what: value.why } : null)

/** Refuses a later format, which this version would misread. */
function fromTheFuture(ours: number, value: unknown): Wrong | null {
  const version = isObject(value) ? value.schemaVersion : undefined
  if (!Number.isSafeInteger(version) || Number(version) <= ours) return null
  return {
    path: '$.schemaVersion',
    what: `is ${String(version)}: a format that this version of Standby does not read`,
    next: 'Use the version of Standby that wrote it, or a later one.',
  }
}

function ofAnother(stack: string | null, value: unknown): Wrong | null {
  const named = isObject(value) ? value.stack : undefined
  if (stack === null || typeof named !== 'string' || named === stack) return null
  return {
    path: '$.stack',
    what: `is ${JSON.stringify(named.slice(0, 60))}, and this witness is read for the stack ${stack}`,
  }
}
