/** `fetch` says "fetch failed" and keeps the reason in `cause`. */
const causeOf = (error: unknown): NodeJS.ErrnoException => ((error as Error).cause ?? error) as NodeJS.ErrnoException

/** The connection was cut after it stood: another try may find a healthy one. */
export const wasLost = (error: unknown): boolean => ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(causeOf(error).code ?? '')

/** Why nothing was answered, for a person. */
export function reasonOf(error: unknown): string {
  const cause = causeOf(error)
  if (cause.code === 'ECONNREFUSED') return 'it refuses connections'
  return cause.message === '' ? (cause.code ?? cause.name) : cause.message
}
