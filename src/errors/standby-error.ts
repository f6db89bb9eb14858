import type { Milliseconds } from '../values/duration.ts'
import type { AnyReasonCode } from './reason-codes.ts'
import type { Unseen } from './unseen.ts'

/**
 * The errors that a person reads. Each carries a stable reason code, says where it happened and what to do next, and
 * names who must act.
 */
export type MustAct =
  /** The author of the inputs or of the stack file. */
  | 'input'
  /** A reviewer. */
  | 'approval'
  /** The operator of the site. */
  | 'site'
  /** Something took too long. */
  | 'timeout'
  /** A signal interrupted the move. */
  | 'cancelled'
  /** The developers of Standby. */
  | 'defect'

/**
 * Whether another attempt may succeed. `transient`: yes, soon; the effect may have happened. `conflict`: another writer
 * has changed the precondition; the effect may succeed on the new state. `never`: only a change by a person helps.
 */
export type Retry = 'transient' | 'conflict' | 'never'

export interface ErrorDetails {
  /** Stable, kebab-case; users and workflows branch on it. */
  readonly code: AnyReasonCode
  readonly mustAct: MustAct
  /** What is wrong, with the values. */
  readonly what: string
  /** `dc-a infisical/Cluster/pg-dc-a`, or file:line:column. */
  readonly where?: string | undefined
  /** The next command or action of the reader. */
  readonly next?: string | undefined
  readonly cause?: unknown
  /** Set where the error is made, from structured data and never from a text; `never` when absent. */
  readonly retry?: Retry | undefined
  /** Milliseconds that the other side asks to wait before the next request; null or absent when it names none. */
  readonly retryAfter?: Milliseconds | null | undefined
  /** Why a site could not be observed, which decides what that says of the site. */
  readonly unseen?: Unseen | undefined
  /** The system did not answer, or does not run: the request may be repeated. */
  readonly unanswered?: true | undefined
}

export class StandbyError extends Error {
  readonly code: AnyReasonCode
  readonly mustAct: MustAct
  readonly where: string | undefined
  readonly next: string | undefined
  readonly retry: Retry
  readonly retryAfter: Milliseconds | null
  readonly unseen: Unseen | undefined
  readonly unanswered: boolean
  /** Where the refusal is recorded, after it is. */
  evidence: { readonly record: string; readonly head: string } | null = null

  constructor(details: ErrorDetails) {
    super(details.what, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'StandbyError'
    this.code = details.code
    this.mustAct = details.mustAct
    this.where = details.where
    this.next = details.next
    this.retry = details.retry ?? 'never'
    this.retryAfter = details.retryAfter ?? null
    this.unseen = details.unseen
    this.unanswered = details.unanswered === true
  }
}

export const inputError = (
  code: AnyReasonCode,
  what: string,
  more: { where?: string; next?: string; unseen?: Unseen } = {},
): StandbyError => new StandbyError({ code, mustAct: 'input', what, ...more })

/** What an error of a site or a deadline may say in addition to its code and its text. */
type More = Partial<Pick<ErrorDetails, 'where' | 'next' | 'cause' | 'retry' | 'retryAfter' | 'unseen' | 'unanswered'>>

export const siteError = (code: AnyReasonCode, what: string, more: More = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'site', what, ...more })

export const timeoutError = (code: AnyReasonCode, what: string, more: More = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'timeout', what, ...more })

/** Any thrown value as a StandbyError: an unforeseen one becomes `internal-error`, a defect of Standby. */
export function asStandbyError(thrown: unknown): StandbyError {
  if (thrown instanceof StandbyError) return thrown
  const what = thrown instanceof Error ? thrown.message : String(thrown)
  return new StandbyError({
    code: 'internal-error',
    mustAct: 'defect',
    what,
    next: 'Please report this with the log of the run.',
    cause: thrown,
  })
}

/** The part of an error that reports and records keep. */
export interface Failure {
  readonly code: AnyReasonCode
  readonly what: string
  readonly where: string | null
  readonly next: string | null
}
export function failureOf(error: StandbyError): Failure {
  return { code: error.code, what: error.message, where: error.where ?? null, next: error.next ?? null }
}

/** `error` of a result that an operation could not return, as in `schema/result.schema.json`. */
export function errorBody(error: StandbyError): Failure & { readonly mustAct: MustAct } {
  return { ...failureOf(error), mustAct: error.mustAct }
}
