import type { Milliseconds } from '../duration.ts'
import { inputError, type Retry, StandbyError, siteError } from '../errors.ts'
import { textOf } from './s3-xml.ts'
import { retryOfStatus, retryOfWire } from './worth-another-try.ts'

/** What was tried, for the error. */
export interface Attempt {
  readonly endpoint: string
  readonly bucket: string
  /** null for the bucket itself. */
  readonly key: string | null
  /** As in an access policy: `s3:PutObject`. */
  readonly action: string
}

const whereOf = (attempt: Attempt): string => `${attempt.endpoint} ${attempt.bucket}${attempt.key === null ? '' : `/${attempt.key}`}`

export const objectStoreUnreachable = (
  attempt: Attempt,
  why: string,
  cause?: unknown,
  retryAfter: Milliseconds | null = null,
): StandbyError =>
  siteError('object-store-unreachable', `the object store ${attempt.endpoint} does not answer: ${why}`, {
    where: whereOf(attempt),
    next: `Check that ${attempt.endpoint} is reachable from here.`,
    cause,
    retry: retryOfWire(cause),
    retryAfter,
  })

/** S3's own codes for what passes with a status that says something else: a body that came too slowly, a bucket that is being changed. */
const PASSING_CODES: ReadonlySet<string> = new Set(['RequestTimeout', 'OperationAborted', 'SlowDown', 'Throttling'])

/** What another try may bring after an answer of a store. */
export const retryOfStore = (status: number, body: string): Retry =>
  PASSING_CODES.has(textOf(body, 'Code') ?? '') ? 'transient' : retryOfStatus(status)

/** What a refusal of the store means, and what to do about it. `retryAfter`: what the answer's header asks for. */
export function objectStoreRefusal(attempt: Attempt, status: number, body: string, retryAfter: Milliseconds | null = null): StandbyError {
  const code = textOf(body, 'Code')
  const said = [code, textOf(body, 'Message')].filter((part) => part !== null).join(': ') || `HTTP ${status}`
  const where = whereOf(attempt)
  if (status === 412 || code === 'ConditionalRequestConflict')
    return siteError('object-store-precondition', `${attempt.key ?? attempt.bucket} was written by somebody else (${said})`, {
      where,
      next: 'Read it again before writing.',
      retry: 'conflict',
    })
  if (code === 'NoSuchBucket')
    return inputError('object-store-missing-bucket', `the bucket ${attempt.bucket} does not exist`, {
      where,
      next: 'Create it, or correct `bucket` in the stack file.',
    })
  if (status === 401 || status === 403) {
    const target = attempt.key === null ? attempt.bucket : `${attempt.bucket}/${attempt.key}`
    return siteError('object-store-denied', `${attempt.action} on ${target} is denied (${said})`, { where, next: cureOf(code) })
  }
  if (retryOfStore(status, body) === 'transient') return objectStoreUnreachable(attempt, said, undefined, retryAfter)
  return new StandbyError({ code: 'object-store-refused', mustAct: 'input', what: `${attempt.action} was refused: ${said}`, where })
}

function cureOf(code: string | null): string {
  switch (code) {
    case 'RequestTimeTooSkewed':
      return 'Set the clock of this machine.'
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return 'Correct the access key and its secret.'
    default:
      return 'Allow it in the policy of this access key: `standby rbac` prints the policies that this stack needs.'
  }
}
