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

export interface ErrorDetails {
  /** Stable, kebab-case; users and workflows branch on it. */
  readonly code: string
  readonly mustAct: MustAct
  /** What is wrong, with the values. */
  readonly what: string
  /** `dc-a infisical/Cluster/pg-dc-a`, or file:line:column. */
  readonly where?: string | undefined
  /** The next command or action of the reader. */
  readonly next?: string | undefined
  readonly cause?: unknown
}

export class StandbyError extends Error {
  readonly code: string
  readonly mustAct: MustAct
  readonly where: string | undefined
  readonly next: string | undefined
  /** Where the refusal that it brought is on record, once it is. */
  evidence: { readonly record: string; readonly head: string } | null = null

  constructor(details: ErrorDetails) {
    super(details.what, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'StandbyError'
    this.code = details.code
    this.mustAct = details.mustAct
    this.where = details.where
    this.next = details.next
  }
}

export const inputError = (code: string, what: string, more: { where?: string; next?: string } = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'input', what, ...more })

export const siteError = (code: string, what: string, more: { where?: string; next?: string; cause?: unknown } = {}): StandbyError =>
  new StandbyError({ code, mustAct: 'site', what, ...more })

export const timeoutError = (code: string, what: string, more: { where?: string; next?: string } = {}): StandbyError =>
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
  readonly code: string
  readonly what: string
  readonly where: string | null
  readonly next: string | null
}
export function failureOf(error: StandbyError): Failure {
  return { code: error.code, what: error.message, where: error.where ?? null, next: error.next ?? null }
}
