import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { JsonObject } from '../values/json.ts'

/** How far a step is. Waiting cannot help once it is `failed`. */
export type Progress =
  | { readonly is: 'done'; readonly proof: JsonObject }
  /**
   * `restsOn`: an effect is due, with this precondition. `takenBackBy`: it was done before, and another writer reverted
   * it; then the effect is repeated, for steps without a way back.
   */
  | { readonly is: 'pending'; readonly waitingFor: string; readonly restsOn?: RestsOn; readonly takenBackBy?: string }
  | { readonly is: 'failed'; readonly code: AnyReasonCode; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * The precondition of an effect, such as the version of the object that it changes: with another version the effect is
 * refused.
 */
export type RestsOn = JsonObject
