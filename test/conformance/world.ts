import type { FlatContext } from '../../src/driver/flat/context.ts'

/** What a driver's steps act on: real servers, or programs that keep their state as such servers do. */
export interface World {
  /** Reaches the world. The suite wraps its clients to make single calls fail. */
  readonly context: FlatContext
  /** All that steps may change, as one value: equal before and after where nothing has changed. */
  read(): Promise<unknown>
  close(): Promise<void>
}
