import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { JsonObject } from '../values/json.ts'

/** How far a step is. Waiting cannot help once it is `failed`. */
export type Progress =
  | { readonly is: 'done'; readonly proof: JsonObject }
  | {
      readonly is: 'pending'
      readonly waitingFor: string
      /** The effect is due, with what was seen here as its precondition. */
      readonly due?: JsonObject
      /**
       * The effect was done before, and this one has reverted it. With it, the effect is done again and again: for what
       * has no way back any more.
       */
      readonly revertedBy?: string
      /** `due` and `revertedBy` of drivers that are not written against the kit yet. */
      readonly restsOn?: RestsOn
      readonly takenBackBy?: string
    }
  | { readonly is: 'failed'; readonly code: AnyReasonCode; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }

/**
 * The precondition of an effect, such as the version of the object that it changes: if the object has another one by
 * then, the effect is refused.
 */
export type RestsOn = JsonObject
