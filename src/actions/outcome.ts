import * as core from '@actions/core'
import type { AnyReasonCode } from '../errors/reason-codes.ts'
import { asStandbyError, errorBody, StandbyError } from '../errors/standby-error.ts'
import { withinLimit } from '../reporting/markdown.ts'
import { honourProxies } from '../runtime/proxies.ts'
import { type Problem, problemText, StackInvalid } from '../stack/problems.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { harmlessText, harmlessToRunner } from '../values/harmless-text.ts'
import { setOutput, withoutSecrets } from './inputs.ts'

/** The end of an action; every exit of every action goes through {@link finish}. */
export interface Outcome {
  /** continue: go on. complete: nothing to do. stop: a person must decide first. failure: it went wrong. */
  readonly decision: 'continue' | 'complete' | 'stop' | 'failure'
  readonly reasonCode: AnyReasonCode
  readonly result: object
  /** Markdown, verdict first. */
  readonly summary: string
  /** Annotations at lines of files, in a pull request and in the list of the run. */
  readonly annotations?: readonly FileAnnotation[]
  /** One sentence for the annotation of a failed job; null when the job is green. */
  readonly failure: string | null
}

export interface FileAnnotation {
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly column: number
  readonly what: string
}

/** GitHub keeps ten annotations of a step; the last one says why the job failed. */
const MOST_ANNOTATIONS = 9

/** A runner sends its second signal after 7.5 s and kills after 10: outputs and summary are written before. */
export const PATIENCE: Milliseconds = seconds(6.5)
/** All outputs of a job share 1 MB, counted as UTF-16; over it GitHub drops them. */
const LARGEST_RESULT = 400_000

/**
 * Runs an action to its end: catches, writes outputs and summary, sets the exit code. No other code calls setFailed.
 */
export async function finish(run: (signal: AbortSignal) => Promise<Outcome>): Promise<void> {
  const stopping = new AbortController()
  const impatient = Promise.withResolvers<Outcome>()
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) return
    core.info(`${signal}: stopping`)
    const error = new StandbyError({
      code: 'cancelled',
      mustAct: 'cancelled',
      what: 'the run was cancelled',
      next: 'Look at the last step in the journal before anything is started again.',
    })
    stopping.abort(error)
    setTimeout(() => impatient.resolve(failedOutcome(error)), PATIENCE).unref()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // An unhandled rejection is a defect of Standby, and must not end a move half done.
  process.on('unhandledRejection', (error) =>
    core.info(`! internal-error: ${harmlessToRunner(asStandbyError(error).message)}`),
  )
  const outcome = await Promise.race([
    prepared(run, stopping.signal).catch((error: unknown) => failedOutcome(asStandbyError(error))),
    impatient.promise,
  ])
  await publish(outcome)
  process.exitCode = outcome.failure === null ? 0 : 1
  // Kept-alive connections must not hold the job open.
  setTimeout(() => process.exit(), 500).unref()
}

async function prepared(run: (signal: AbortSignal) => Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  honourProxies(process.env)
  return run(signal)
}

async function publish(outcome: Outcome): Promise<void> {
  setOutput('decision', outcome.decision)
  setOutput('reason-code', outcome.reasonCode)
  setOutput('result', resultText(outcome.result))
  if (process.env.GITHUB_STEP_SUMMARY !== undefined && outcome.summary !== '')
    await core.summary
      .addRaw(withinLimit(withoutSecrets(harmlessText(outcome.summary))), true)
      .write()
      .catch((error: unknown) => core.info(`! the summary could not be written: ${harmlessToRunner(String(error))}`))
  for (const { file, line, column, what } of outcome.annotations?.slice(0, MOST_ANNOTATIONS) ?? [])
    core.error(harmlessToRunner(withoutSecrets(what)), { file, startLine: line, startColumn: column, title: 'Standby' })
  if (outcome.failure !== null) core.setFailed(harmlessToRunner(withoutSecrets(outcome.failure)))
}

/**
 * The result as JSON. A result that GitHub would drop is replaced by a short one that says so, so that the other
 * outputs survive.
 */
export function resultText(result: object): string {
  const text = JSON.stringify({ schemaVersion: 1, ...result })
  return text.length <= LARGEST_RESULT
    ? text
    : JSON.stringify({ schemaVersion: 1, tooLarge: { characters: text.length, limit: LARGEST_RESULT } })
}

/** The error for its reader: code first, then what, where, and the next command. */
export function rendered(error: StandbyError): string {
  const lines = [`${error.code}: ${error.message}`]
  if (error.where !== undefined) lines.push(`  where: ${error.where}`)
  if (error.next !== undefined) lines.push(`  next:  ${error.next}`)
  return lines.join('\n')
}

export function failedOutcome(error: StandbyError): Outcome {
  if (error.mustAct === 'defect')
    core.debug(withoutSecrets(String(error.cause instanceof Error ? error.cause.stack : (error.stack ?? ''))))
  const decision = error.mustAct === 'approval' || error.mustAct === 'input' ? 'stop' : 'failure'
  return {
    decision,
    reasonCode: error.code,
    result: { error: errorBody(error) },
    annotations: error instanceof StackInvalid ? annotationsOf(error.where ?? '', error.problems) : [],
    summary: `## ❌ ${error.code}\n\n${fenced(rendered(error))}\n${recordOf(error)}`,
    failure: rendered(error),
  }
}

/** A problem without a line belongs to the whole file. */
export const annotationsOf = (file: string, problems: readonly AnnotatedProblem[]): FileAnnotation[] =>
  problems.map((problem) => ({
    file,
    line: problem.line ?? 1,
    column: problem.column ?? 1,
    what: problemText(problem),
  }))
type AnnotatedProblem = Pick<Problem, 'path' | 'what' | 'line' | 'column' | 'suggestion'>

/** Keeps the head in the summary, where a writer of the witness cannot change it. */
const recordOf = ({ evidence }: StandbyError): string =>
  evidence === null
    ? ''
    : `\nThe refusal is on record: \`${evidence.record}\`, head of the evidence \`${evidence.head}\`.\n`

const fenced = (text: string): string => `\`\`\`text\n${text.replaceAll('```', "'''")}\n\`\`\``
