import type { StandbyError } from '../errors/standby-error.ts'
import type { Log } from '../runtime/log.ts'
import { harmlessLogLine, harmlessText, oneLine } from '../values/harmless-text.ts'

/** Progress goes to stderr, so that stdout holds only the result. */
export function terminalLog(options: {
  readonly quiet: boolean
  readonly mask: (text: string) => string
  readonly write: (line: string) => void
}): Log {
  const begun = performance.now()
  const write = (line: string): void => {
    const elapsed = ((performance.now() - begun) / 1000).toFixed(1).padStart(7)
    options.write(`${elapsed} s  ${harmlessLogLine(options.mask(line))}`)
  }
  return {
    info: (line) => (options.quiet ? undefined : write(line)),
    warning: (line) => write(`! ${line}`),
    debug: (line) => (process.env.STANDBY_DEBUG === undefined ? undefined : write(`. ${line}`)),
  }
}

/** Code first, then what, where, and the next command. */
export function errorText(error: StandbyError): string {
  const lines = [
    `standby: ${error.code}`,
    ...harmlessText(error.message)
      .split('\n')
      .map((line) => `  ${line}`),
  ]
  if (error.where !== undefined) lines.push(`  where: ${oneLine(error.where)}`)
  if (error.next !== undefined) lines.push(`  next:  ${harmlessLogLine(error.next)}`)
  return lines.join('\n')
}
