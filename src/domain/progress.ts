import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { JsonObject } from '../values/json.ts'

/** How far a step is. Waiting cannot help once it is `failed`. */
export type Progress =
  | { readonly is: 'done'; readonly proof: JsonObject }
  /**
   * `restsOn`: an effect is due, on what was seen here. `takenBackBy`: it was done before, and somebody else has taken
   * it back; with it, the effect is done again and again: for what has no way back any more.
   */
  | { readonly is: 'pending'; readonly waitingFor: string; readonly restsOn?: RestsOn; readonly takenBackBy?: string }
  | { readonly is: 'failed'; readonly code: AnyReasonCode; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * What an effect rests on, such as the version of the object that it changes: if that is another one by then, the
 * effect is refused.
 */
export type RestsOn = JsonObject
