import { basename } from 'node:path'
import { runProcess } from '../clients/process.ts'
import type { DriverContext, RunOptions, RunResult } from '../driver/context.ts'
import type { Log } from '../runtime/log.ts'
import type { Masking } from '../runtime/masking.ts'

/** `run` of the context: what people watch goes to the log line by line, and nothing that comes back holds a secret. */
export function programRunner(log: Log, secrets: Masking, signal: AbortSignal): DriverContext['run'] {
  return async (command, args, { live, ...options }) => {
    const show = (line: string): void => log.info(`${basename(command)}: ${secrets.masked(line)}`)
    const watched = live === true ? { live: show } : {}
    const result = await runProcess(command, args, { signal, ...options, ...watched, masked: secrets.masked })
    return withoutSecrets(result, options, secrets)
  }
}

/**
 * The output of a program without secrets: it ends in plans, records and logs. What helm renders is applied, and stays
 * as it is.
 */
function withoutSecrets(result: RunResult, { purpose }: RunOptions, { masked }: Masking): RunResult {
  return {
    ...result,
    stdout: purpose === 'helm' ? result.stdout : masked(result.stdout),
    stderr: masked(result.stderr),
  }
}
