import type { Reach } from '../../../driver/reach.ts'
import type { Milliseconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'

/** What the store of one Patroni cluster holds, read at one moment. */
export interface StoreView {
  /** Null: there is none, as before the first start of Patroni. */
  readonly config: { readonly value: JsonObject; readonly revision: string } | null
  /** The member that holds the lock; null: none. */
  readonly leader: string | null
  /** The system identifier of the database; null: the next member that starts begins one. */
  readonly initialized: string | null
  /** The lines of its history: timeline, position of its end in bytes. */
  readonly history: readonly (readonly [timeline: number, at: number])[]
  /** ISO 8601: when the last promotion was written into the history; absent: it is not known. */
  readonly promotedAt?: string
  /** A switchover inside the site that is asked for or scheduled, in its own words; null: none. */
  readonly switchover: string | null
}

/**
 * The store of one Patroni cluster (DCS). Every write is a compare-and-set: Patroni's own REST API has none, so that a
 * PATCH of a process that died would still take effect.
 */
export interface PatroniStore {
  /** Throws `patroni-store-silent`, `patroni-store-refused`. */
  read(): Promise<StoreView>
  /**
   * Replaces the configuration if it is still that of this revision, and if `leader`, where it is given, holds the lock
   * at that moment; false: one of them is not so. Throws as `read` does.
   */
  replaceConfig(value: JsonObject, revision: string, leader?: string): Promise<boolean>
  /**
   * Forgets that the database was made, and how it came to its timeline, if the configuration is still that of this
   * revision: the next member that starts makes a new one, as the configuration says. False: it is not. Throws as
   * `read` does.
   */
  forgetDatabase(revision: string): Promise<boolean>
  /**
   * The servers that vote in it, by the addresses at which clients reach them. Absent: this kind does not say. Throws
   * as `read` does.
   */
  voters?(): Promise<readonly string[]>
}

export interface StoreCall {
  readonly reach: Reach
  /** Of one call. */
  readonly deadline: Milliseconds
  readonly signal: AbortSignal
}
