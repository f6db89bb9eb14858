import type { AccessKeys } from '../clients/access-keys.ts'
import type { Way } from '../clients/patience.ts'
import type { CredentialReference } from '../domain/stack.ts'
import type { JsonObject } from '../values/json.ts'

/**
 * The little that a witness needs of a storage outside both sites: reads, and writes with a precondition.
 * Every call has a deadline. Errors: `witness-conflict` (somebody else was first), `witness-unreachable`,
 * `witness-weak` (the store ignores preconditions and cannot be a witness).
 */
export interface ConditionalStore {
  /** The stack that it was opened for: a record of another one is damaged. Null: of none in particular. */
  readonly stack: string | null
  /** Where it is asked, as a URL, so that a slow way to it is not taken for silence. */
  readonly address?: string
  /** How long the way there is, so far as it is known. */
  readonly way?: Way | undefined
  get(key: string): Promise<VersionedDocument | null>
  /** Writes a document that must not exist yet; returns its version. */
  create(key: string, body: JsonObject): Promise<string>
  /** Compare-and-set: writes only over the version that was read. */
  replace(key: string, body: JsonObject, expectedVersion: string): Promise<string>
  /** The exact text of an object; null when there is none. Throws `witness-damaged` for one that cannot be read. */
  getText(key: string): Promise<string | null>
  /**
   * Writes exactly this text under a key that must not exist yet, and nothing beside it: what `sha256sum` says of the
   * object is what it says of the text. The same text, byte for byte, counts as written, whoever wrote it.
   */
  createText(key: string, text: string): Promise<void>
  /** Keys below a prefix, in ascending order. */
  list(prefix: string): Promise<string[]>
  /**
   * What time it is by the store's own clock, within a second; null when it does not say so, or does not answer. Asks
   * only where it has not answered yet.
   */
  time(): Promise<Date | null>
}

/** Stores add the id of their write to what they keep; it belongs to no record. */
export function withoutWriteId(body: JsonObject): JsonObject {
  const { writeId: _, ...record } = body
  return record
}

export interface VersionedDocument {
  /**
   * Of whoever could write there: `src/witness/decode.ts` says what it is; what is no JSON at all is an `Unreadable`.
   */
  readonly body: unknown
  readonly version: string
}

/** What opening a store needs: credentials by reference, and the signal that ends its calls. */
export interface ConditionalStoreContext {
  readonly signal: AbortSignal
  readonly stack: string
  credential(reference: CredentialReference): Promise<string>
  /** Keys of the login of this process, for a store that is declared with it. */
  login(): Promise<AccessKeys>
  /** The text of a file that the stack file names, by its path there. */
  file(path: string): Promise<string>
}
