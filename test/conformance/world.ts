import type { DriverContext } from '../../src/driver/context.ts'
import type { JsonObject } from '../../src/values/json.ts'
import type { ApiCall } from '../support/cluster-in-memory.ts'

/** What a driver's steps act on: real servers, or programs that keep their state as such servers do. */
export interface World {
  /** Reaches the world. The suite wraps its clients to make single calls fail. */
  readonly context: DriverContext
  /** All that steps may change, as one value: equal before and after where nothing has changed. */
  read(): Promise<unknown>
  close(): Promise<void>
  /** What steps have proven that this world does not perform, by id. */
  readonly proofs?: Readonly<Record<string, JsonObject>>
  /** What was asked of the API servers of this world, and what of it was refused for the lack of a right. */
  readonly asked?: () => { readonly calls: readonly ApiCall[]; readonly refused: readonly ApiCall[] }
}

/** Whether the identity that asks has the right. A world with API servers refuses what it has not. */
export type MayAsk = (call: ApiCall) => boolean
