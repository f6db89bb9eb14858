type Level = 'info' | 'warn' | 'error'

/** One JSON object a line on standard output, as upstream logs in production. */
export function log(level: Level, message: string, facts: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...facts })}\n`)
}

/**
 * The message of anything that was thrown; connection errors of both address families arrive as one AggregateError
 * without a message.
 */
export function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(reasonOf).join('; ')
  return thrown instanceof Error ? thrown.message : String(thrown)
}
