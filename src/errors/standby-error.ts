import type { Milliseconds } from '../values/duration.ts'
import type { AnyReasonCode } from './reason-codes.ts'
import type { Unseen } from './unseen.ts'

/**
 * The errors that a person reads. Each carries a stable reason code, says where it happened and what to do next,
 * and belongs to the one who must act.
 */
export type MustAct =
  /** whoever wrote the inputs or the stack file */
  | 'input'
  /** whoever reviews */
  | 'approval'
  /** whoever runs the site */
  | 'site'
  /** nobody failed, something took too long */
  | 'timeout'
  /** the move was interrupted by a signal */
  | 'cancelled'
  /** us */
  | 'defect'

/**
 * What another try may bring. `transient`: it may be over in a moment, and the effect may have happened. `conflict`:
 * somebody else has changed what the effect rested on; it may succeed on what is there by now. `never`: only a change
 * by a person helps.
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
  /** Decided where the error is made, from structure and never from its text; `never` when absent. */
  readonly retry?: Retry | undefined
  /** Milliseconds that the other side asks to be left alone for; null or absent when it names none. */
  readonly retryAfter?: Milliseconds | null | undefined
  /** Where a site could not be looked at: why, and so what that says of the site. */
  readonly unseen?: Unseen | undefined
  /** What was asked did not answer, or is not there to answer: the question may be repeated. */
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
  /** Where the refusal that it brought is on record, once it is. */
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

/** What an error of a site or a deadline may say beside its code and its text. */
type More = Partial<Pick<ErrorDetails, 'where' | 'next' | 'cause' | 'retry' | 'retryAfter' | 'unseen' | 'unanswered'>>

export const siteError = (code: AnyReasonCode, what: string, more: More = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'site', what, ...more })

export const timeoutError = (code: AnyReasonCode, what: string, more: More = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'timeout', what, ...more })

/** Any thrown value as a StandbyError: what was not foreseen is our defect, and says so. */
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

/** What a report and a record keep of an error. */
export interface Failure {
  readonly code: AnyReasonCode
  readonly what: string
  readonly where: string | null
  readonly next: string | null
}
export function failureOf(error: StandbyError): Failure {
  return { code: error.code, what: error.message, where: error.where ?? null, next: error.next ?? null }
}

/** `error` of a result: what kept an operation from one, as in `schema/result.schema.json`. */
export function errorBody(error: StandbyError): Failure & { readonly mustAct: MustAct } {
  return { ...failureOf(error), mustAct: error.mustAct }
}
