import { inputError, type Retry, type StandbyError, siteError } from '../errors/standby-error.ts'
import { UNSEEN } from '../errors/unseen.ts'
import type { Milliseconds } from '../values/duration.ts'
import { textOf } from './s3-xml.ts'
import type { Attempt, StoreAnswer } from './store-answer.ts'
import { placeNamedIn } from './store-redirects.ts'
import { wireFailure } from './wire-failure.ts'
import { retryOfStatus, retryOfWire } from './worth-another-try.ts'

const whereOf = (attempt: Attempt): string => `${attempt.endpoint} ${targetOf(attempt)}`
const targetOf = (attempt: Attempt): string =>
  attempt.key === null ? attempt.bucket : `${attempt.bucket}/${attempt.key}`

export const objectStoreUnreachable = (
  attempt: Attempt,
  why: string,
  cause?: unknown,
  retryAfter: Milliseconds | null = null,
): StandbyError =>
  siteError('object-store-unreachable', `the object store ${attempt.endpoint} does not answer: ${why}`, {
    where: whereOf(attempt),
    next: nextOf(attempt, cause),
    cause,
    retry: retryOfWire(cause),
    retryAfter,
  })

function nextOf({ endpoint }: Attempt, cause: unknown): string {
  if (cause === undefined || UNSEEN[wireFailure(cause).unseen].code !== 'site-untrusted')
    return `Check that ${endpoint} is reachable from here.`
  return `Is it the right endpoint? Where a private authority vouches for ${endpoint}, name its certificates as endpointCA, beside endpoint in the stack file.`
}

/** What another try does not change. */
export const objectStoreUnreadable = (attempt: Attempt, cause: Error): StandbyError =>
  siteError('object-store-unreadable', `${targetOf(attempt)} ${cause.message}`, {
    where: whereOf(attempt),
    next: 'Find out who wrote it, and bring back its earlier version.',
    cause,
  })

/** Another write to the same key, or a change of the bucket, is going on: nothing was done. */
const BUSY_CODES: ReadonlySet<string> = new Set(['ConditionalRequestConflict', 'OperationAborted'])
/** Too many requests: nothing was done. With 429 (Cloudflare R2), 503 (AWS, MinIO) or 400 (some gateways). */
const LIMIT_CODES: ReadonlySet<string> = new Set([
  ...['SlowDown', 'SlowDownRead', 'SlowDownWrite', 'Throttling', 'ThrottlingException', 'TooManyRequests'],
  ...['RequestLimitExceeded', 'BandwidthLimitExceeded', 'RequestThrottled'],
])
const LOCK_CODES: ReadonlySet<string> = new Set([
  ...['ObjectLocked', 'ObjectLockedByBucketPolicy', 'InvalidBucketState', 'InvalidRetentionPeriod'],
  ...['ObjectLockConfigurationNotFoundError', 'NoSuchObjectLockConfiguration'],
])
const ENCRYPTION_CODES: ReadonlySet<string> = new Set([
  ...['InvalidEncryptionAlgorithmError', 'InvalidEncryptionMethod', 'ServerSideEncryptionConfigurationNotFoundError'],
])

const codeOf = (answer: StoreAnswer): string => textOf(answer.text, 'Code') ?? ''
const isBusy = (answer: StoreAnswer): boolean =>
  BUSY_CODES.has(codeOf(answer)) || (answer.status === 409 && codeOf(answer) === '')
export const isLimited = (answer: StoreAnswer): boolean => answer.status === 429 || LIMIT_CODES.has(codeOf(answer))
/** The answer says of itself that nothing was done, and that another try may bring more: even a write is sent again. */
export const didNothingYet = (answer: StoreAnswer): boolean =>
  answer.status === 503 || isLimited(answer) || isBusy(answer)

/** What another try may bring after an answer of a store. A body that came too slowly is one more that passes. */
export const retryOfStore = (answer: StoreAnswer): Retry =>
  isLimited(answer) || isBusy(answer) || codeOf(answer) === 'RequestTimeout'
    ? 'transient'
    : retryOfStatus(answer.status)

/** Whether a page for people was sent: S3 answers with XML, or with an object. */
export const isPage = ({ headers, text }: StoreAnswer): boolean =>
  /^(text\/html|application\/xhtml)/i.test(headers.get('content-type') ?? '') ||
  /^\s*<(!doctype\s+html|html)\b/i.test(text)

/** Something else than an object store answers at the endpoint: a proxy, a console, a login page. */
export function notAnObjectStore(attempt: Attempt, answer: StoreAnswer): StandbyError {
  const form = isPage(answer) ? 'a web page' : 'nothing that S3 would say'
  return inputError(
    'object-store-not-s3',
    `${attempt.endpoint} is no object store: it answers ${attempt.action} with ${form} (HTTP ${answer.status})`,
    {
      where: whereOf(attempt),
      next: 'Correct `endpoint`: the address of the S3 API itself, not of a console or a login page; let proxies between pass its answers as they are.',
    },
  )
}

/**
 * What a refusal of the store means, and what to do about it: by status, S3 code and headers, never by the text of its
 * message.
 */
export function objectStoreRefusal(attempt: Attempt, answer: StoreAnswer): StandbyError {
  const { status, retryAfter } = answer
  const code = codeOf(answer)
  const said = [code, textOf(answer.text, 'Message') ?? ''].filter((part) => part !== '').join(': ') || `HTTP ${status}`
  const where = whereOf(attempt)
  const refused = `${attempt.action} on ${targetOf(attempt)} was refused`
  const passing = { where, retry: 'transient', retryAfter } as const

  if (status === 412)
    return siteError(
      'object-store-precondition',
      `${attempt.key ?? attempt.bucket} was written by another writer (${said})`,
      {
        where,
        next: 'Read it again before writing.',
        retry: 'conflict',
      },
    )
  const place = placeNamedIn(attempt, answer, code)
  if (place !== null)
    return inputError(
      'object-store-elsewhere',
      `${attempt.bucket} is not served by ${attempt.endpoint} in region ${attempt.region} (${said})`,
      {
        where,
        next: place,
      },
    )
  if (isLimited(answer))
    return siteError(
      'object-store-throttled',
      `${attempt.endpoint} limits requests: ${attempt.action} on ${targetOf(attempt)} has to wait (${said})`,
      {
        ...passing,
        next: 'Nothing, where it passes. If it does not, raise the limit of the service, or find who else writes there.',
      },
    )
  if (retryOfStatus(status) !== 'transient' && isPage(answer)) return notAnObjectStore(attempt, answer)
  if (isBusy(answer))
    return siteError('object-store-busy', `another request changes ${targetOf(attempt)} at this moment (${said})`, {
      ...passing,
      next: 'Nothing, where it passes. If it does not, find who else writes there.',
    })
  if (code === 'NoSuchBucket')
    return inputError('object-store-missing-bucket', `the bucket ${attempt.bucket} does not exist`, {
      where,
      next: 'Create it, or correct `bucket` in the stack file.',
    })
  if (code === 'RequestTimeTooSkewed')
    return siteError(
      'clock-wrong',
      `${refused}: the clock of this machine and that of ${attempt.endpoint} differ too much${clocksIn(answer)}`,
      {
        where,
        next: 'Set the clock of this machine. If it is right, that of the object store is wrong.',
      },
    )
  if (status === 501 || code === 'NotImplemented')
    return attempt.condition === null
      ? inputError('object-store-refused', `${attempt.endpoint} does not know ${attempt.action} (${said})`, {
          where,
          next: 'Use an S3 service that knows it: docs/drivers/s3.md, "What it needs of the service".',
        })
      : siteError(
          'object-store-no-preconditions',
          `${attempt.endpoint} knows no ${attempt.condition} on writes (${said})`,
          {
            where,
            next: NEEDS_PRECONDITIONS,
          },
        )
  if (LOCK_CODES.has(code))
    return siteError('object-store-locked', `${refused} by the Object Lock of the bucket (${said})`, {
      where,
      next: UNLOCK,
    })
  if (code.startsWith('KMS') || ENCRYPTION_CODES.has(code))
    return siteError('object-store-encryption', `${refused} by the encryption of the bucket (${said})`, {
      where,
      next: ENCRYPT,
    })
  if (code === 'InvalidRequest' && attempt.method === 'PUT')
    return siteError('object-store-rules', `${refused}: the bucket demands what is not sent (${said})`, {
      where,
      next: `${UNLOCK} ${ENCRYPT}`,
    })
  if ((status === 401 || status === 403) && (code !== '' || attempt.method === 'HEAD'))
    return siteError('object-store-denied', `${attempt.action} on ${targetOf(attempt)} is denied (${said})`, {
      where,
      next: cureOf(code, attempt),
    })
  if (retryOfStore(answer) === 'transient') {
    const page = isPage(answer) ? `HTTP ${status}, a web page: a proxy answers in its place` : said
    return objectStoreUnreachable(attempt, page, undefined, retryAfter)
  }
  if (code === '' && attempt.method !== 'HEAD') return notAnObjectStore(attempt, answer)
  return inputError('object-store-refused', `${refused}: ${said}`, {
    where,
    next: 'Compare `endpoint`, `region`, `bucket` and `prefix` with what the service documents: docs/drivers/s3.md.',
  })
}

export const NEEDS_PRECONDITIONS =
  'Use an S3 service whose conditional writes (If-None-Match, If-Match) are atomic; docs/witness.md names some that are not.'
const UNLOCK =
  'Take the prefix out of lock rules and retention that forbid to write an object again (Object Lock with its default retention, of new versions alone, is fine).'
const ENCRYPT =
  "Set the bucket's default encryption, with a key that is enabled and that this access key may use, and drop policies that demand an encryption header of each write: none is sent."

function clocksIn({ text }: StoreAnswer): string {
  const instant = (element: string): string | null => {
    const at = Date.parse(textOf(text, element) ?? '')
    return Number.isNaN(at) ? null : new Date(at).toISOString()
  }
  const theirs = instant('ServerTime')
  return theirs === null ? '' : ` (there it is ${theirs}, here ${new Date().toISOString()})`
}

function cureOf(code: string, attempt: Attempt): string {
  switch (code) {
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return 'Correct the access key and its secret.'
    case 'ExpiredToken':
      return 'Renew the temporary keys: their session has ended.'
    default: {
      const allow =
        'Allow it in the policy of this access key: `standby rbac` prints the policies that this stack needs.'
      return attempt.method === 'PUT' && attempt.key !== null
        ? `${allow} If it is allowed there, look at the bucket: ${ENCRYPT}`
        : allow
    }
  }
}
