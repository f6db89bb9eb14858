import type { ObjectStoreClient } from '../clients/object-store-client.ts'

/**
 * What a witness is kept in: objects with versions, read and written over a wire. Errors have the codes of object
 * stores (`object-store-precondition`, `-unreachable`, `-throttled` …), which `documentsIn` makes those of the witness.
 */
export interface VersionedObjects extends Pick<ObjectStoreClient, 'way' | 'get' | 'head' | 'put'> {
  list(prefix: string, options?: Parameters<ObjectStoreClient['list']>[1]): Promise<{ readonly key: string }[]>
}

/** How a kind of storage names its preconditions, for people, and a version that no object has. */
export interface Preconditions {
  readonly ifAbsent: string
  readonly ifVersion: string
  readonly noVersion: string
  /** What to do about a storage that ignores them. */
  readonly next: string
}
