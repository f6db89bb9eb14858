import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { JsonObject } from '../values/json.ts'

/** How far a step or a wait is. */
export type Progress =
  | { readonly is: 'done'; readonly proof: JsonObject }
  | { readonly is: 'pending'; readonly waitingFor: string }
  /** Waiting cannot help. */
  | { readonly is: 'failed'; readonly code: AnyReasonCode; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }
