import type { AccessKeys } from '../clients/access-keys.ts'
import type { Way } from '../clients/patience.ts'
import type { CredentialReference } from '../domain/stack.ts'
import type { JsonObject } from '../values/json.ts'

/**
 * What a witness needs of a storage outside both sites: reads, and writes with a precondition.
 * Every call has a deadline. Errors: `witness-conflict` (another writer was first), `witness-unreachable`,
 * `witness-weak` (the store ignores preconditions and cannot be a witness).
 */
export interface ConditionalStore {
  /** The stack that the store was opened for: a record of another stack counts as damaged. Null: any stack. */
  readonly stack: string | null
  /** The URL of the store, from which the delay of the network is known: a slow network is not silence. */
  readonly address?: string
  /** The delay of the network to the store, as far as it is known. */
  readonly way?: Way | undefined
  get(key: string): Promise<VersionedDocument | null>
  /** Writes a document that must not exist yet; returns its version. */
  create(key: string, body: JsonObject): Promise<string>
  /** Compare-and-set: writes only over the version that was read. */
  replace(key: string, body: JsonObject, expectedVersion: string): Promise<string>
  /** The exact text of an object; null when there is none. Throws `witness-damaged` for one that cannot be read. */
  getText(key: string): Promise<string | null>
  /**
   * Writes exactly this text under a key that must not exist yet, and adds nothing: `sha256sum` of the object is that
   * of the text. An object that already has the same bytes counts as written.
   */
  createText(key: string, text: string): Promise<void>
  /** Keys below a prefix, in ascending order. */
  list(prefix: string): Promise<string[]>
  /**
   * The time of the store's own clock, within a second; null when it does not say so, or does not answer. Sends a
   * request only when no earlier answer had the time.
   */
  time(): Promise<Date | null>
}

/** Stores add the id of their write to the object; it is not part of the record. */
export function withoutWriteId(body: JsonObject): JsonObject {
  const { writeId: _, ...record } = body
  return record
}

export interface VersionedDocument {
  /**
   * The content that any writer may have left: `src/witness/decode.ts` judges it; content that is not JSON is an
   * `Unreadable`.
   */
  readonly body: unknown
  readonly version: string
}

/** What a store needs to open: credentials by reference, and the signal that ends its calls. */
export interface ConditionalStoreContext {
  readonly signal: AbortSignal
  readonly stack: string
  credential(reference: CredentialReference): Promise<string>
  /** Keys from the login of this process, for a store that is declared to use it. */
  login(): Promise<AccessKeys>
  /** The text of a file that the stack file names, by its path there. */
  file(path: string): Promise<string>
}
