import type { Command } from 'commander'
import { connect, type World } from '../composition/connect.ts'
import type { Identity } from '../domain/identities.ts'
import type { Stack } from '../domain/stack.ts'
import { asStandbyError, errorBody, StandbyError } from '../errors/standby-error.ts'
import type { LearnedDurations } from '../planning/expected-durations.ts'
import { liveView } from '../reporting/live-view.ts'
import { masking as newMasking } from '../runtime/masking.ts'
import { honourProxies } from '../runtime/proxies.ts'
import { harmlessJson, harmlessOnTerminal, harmlessText } from '../values/harmless-text.ts'
import { errorText, terminalLog } from './terminal.ts'

/** Exit codes are part of the interface: scripts branch on them. */
export const EXIT = { ok: 0, failed: 1, input: 2, refused: 3, degraded: 4, interrupted: 130 } as const

/** The options of every command. */
export interface Common {
  readonly stack: string
  readonly json: boolean
  readonly quiet: boolean
}

/** The style of results: in colour for people. */
export const style = (): { colour: boolean } => ({
  colour: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
})

/** The output and the exit code of a command. */
export interface Shown {
  readonly result: object
  readonly text: string
  readonly exit: number
}

/** Gives the durations of former runs to the live view. */
export type Learn = (durations: LearnedDurations) => void

/**
 * One place for world, signals, output and exit code. `identity`: the identity whose credentials the command needs at
 * least. `judge`: throws for requests that the stack file alone refuses, before credentials are checked or a site is
 * contacted.
 */
export async function operate(
  program: Command,
  identity: Identity,
  work: (world: World, learn: Learn) => Promise<Shown>,
  judge: (stack: Stack) => void = () => undefined,
): Promise<void> {
  const common = program.opts<Common>()
  const stopping = new AbortController()
  const stop = (): void => {
    stopping.abort(
      new StandbyError({
        code: 'cancelled',
        mustAct: 'cancelled',
        what: 'stopped by a signal',
        next: 'Look at the last step in the journal before anything is started again.',
      }),
    )
    setTimeout(() => process.exit(EXIT.interrupted), 7_000).unref()
  }
  // SIGHUP: the terminal is closed, or the connection to it is lost. Node's default would end the process between two
  // effects.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  const masking = newMasking()
  await local(
    program,
    async () => {
      const quiet = common.quiet || common.json
      const view = quiet || !process.stderr.isTTY ? null : liveView(process.stderr, masking.masked)
      const write = view?.line ?? ((line: string) => process.stderr.write(`${line}\n`))
      const log = terminalLog({ quiet, mask: masking.masked, write })
      process.on('unhandledRejection', (thrown) => log.warning(`internal-error: ${asStandbyError(thrown).message}`))
      const world = await connect({
        stackPath: common.stack,
        signal: stopping.signal,
        log,
        env: process.env,
        credentialsInput: null,
        identity,
        judge,
        mask: masking.add,
        ...(view === null ? {} : { listener: view.listener }),
      })
      try {
        const shown = await work(world, (durations) => view?.learn(durations))
        process.exitCode = shown.exit
        return masking.masked(common.json ? JSON.stringify({ schemaVersion: 1, ...shown.result }, null, 2) : shown.text)
      } finally {
        view?.end()
        await world.close()
      }
    },
    masking.masked,
  )
}

/**
 * A command that contacts no site: its text goes to stdout, its failure to stderr with the exit code of its kind. With
 * `--json` the failure also goes to stdout, as `{ schemaVersion, error }`: a program that reads results always finds
 * one.
 */
export async function local(
  program: Command,
  work: () => Promise<string>,
  masked: (text: string) => string = (text) => text,
): Promise<void> {
  try {
    honourProxies(process.env)
    const text = await work()
    process.stdout.write(`${program.opts<Common>().json ? harmlessJson(text) : harmlessOnTerminal(text)}\n`)
  } catch (thrown) {
    const error = asStandbyError(thrown)
    if (program.opts<Common>().json) process.stdout.write(`${harmlessJson(masked(errorResult(error)))}\n`)
    process.stderr.write(`${masked(errorText(error))}\n`)
    if (error.mustAct === 'defect' && process.env.STANDBY_DEBUG !== undefined)
      process.stderr.write(`${harmlessText(String(error.cause instanceof Error ? error.cause.stack : error.stack))}\n`)
    process.exitCode = exitOf(error)
  }
  // Kept-alive connections must not hold the terminal.
  setTimeout(() => process.exit(), 300).unref()
}

/** The failure of a command, for programs: what an action that failed writes to its output `result`. */
export const errorResult = (error: StandbyError): string =>
  JSON.stringify({ schemaVersion: 1, error: errorBody(error) }, null, 2)

/** The exit code of an error that kept a command from its result. */
export function exitOf({ code, mustAct }: Pick<StandbyError, 'code' | 'mustAct'>): number {
  if (mustAct === 'input') return EXIT.input
  // Another run's move comes first, and nothing was changed.
  if (mustAct === 'approval' || code === 'move-unfinished') return EXIT.refused
  return mustAct === 'cancelled' ? EXIT.interrupted : EXIT.failed
}

/** The exit code of a result: a signal that ended the work takes precedence over the result. */
export const exitAfter = (failure: { readonly code: string } | null, otherwise: number): number =>
  failure?.code === 'cancelled' ? EXIT.interrupted : otherwise
