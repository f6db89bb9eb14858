import type { Retry } from '../errors/standby-error.ts'

/**
 * What another try may bring after an HTTP answer: one that says of itself that it is about the moment, or that the
 * server failed. A redirect, a refusal and 501 stay what they are.
 */
export function retryOfStatus(status: number): Retry {
  if (status === 409 || status === 410 || status === 412) return 'conflict'
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501) ? 'transient' : 'never'
}

/**
 * After no answer at all: a connection that failed may stand in a moment, a certificate that is not trusted stays so.
 */
export function retryOfWire(error: unknown): Retry {
  const { code = '' } = ((error as Error | undefined)?.cause ?? error ?? {}) as { readonly code?: unknown }
  return /CERT|SIGNATURE|ISSUER/.test(String(code)) ? 'never' : 'transient'
}
