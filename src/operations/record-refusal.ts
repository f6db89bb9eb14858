import { withinDeadline } from '../clients/within-deadline.ts'
import type { World } from '../composition/connect.ts'
import type { Plan } from '../domain/plan.ts'
import { asStandbyError, failureOf, type StandbyError, siteError } from '../errors/standby-error.ts'
import { type KeptEvidence, keepEvidence } from '../evidence/keep-evidence.ts'
import { type RefusalBody, refusalOf } from '../evidence/refusal-body.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { TOOL_VERSION } from '../runtime/version.ts'
import { seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { newRun } from './run-id.ts'

/** The request for a move, as far as it is known before its approval. */
export interface Attempt {
  readonly stack: string
  readonly operation: RefusalBody['operation']
  readonly asked: RefusalBody['asked']
  readonly digest: string | null
  /** The run that is to be continued; null to execute, or while it is not known. */
  readonly run: string | null
  readonly plan: Plan | null
}

/** Where refusals are recorded: needs only the witness, which is opened only for a refusal. */
export interface RefusalLog {
  readonly store: () => Promise<ConditionalStore>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}

/** Uses the open witness of a world. */
export const refusalsIn = ({ store, clock, log }: Pick<World, 'store' | 'clock' | 'log'>): RefusalLog => ({
  store: async () => store,
  clock,
  log,
})

/** A refused request waits for the witness no longer than an observation does. */
const PATIENCE = seconds(3)

/**
 * Runs checks that may refuse a move before it has an approval and a world. Records an error in the evidence, adds the
 * place of the record to it, and throws it again. A record that cannot be written is a warning in the log.
 */
export async function recordingRefusal<T>(to: RefusalLog, attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    const error = asStandbyError(thrown)
    error.evidence = await recordRefusal(to, attempt, error)
    throw error
  }
}

/**
 * Writes the record of a refusal, and returns its place; null when it could not be written. Never throws, and ends
 * within 3 s.
 */
async function recordRefusal(to: RefusalLog, attempt: Attempt, error: StandbyError): Promise<KeptEvidence | null> {
  try {
    const evidence = await withinDeadline(PATIENCE, [], () => kept(to, attempt, error), late)
    to.log.info(`the refusal is recorded: ${evidence.record}, head ${evidence.head}`)
    return evidence
  } catch (failed) {
    to.log.warning(`the refusal could not be recorded, no evidence of it is left: ${asStandbyError(failed).message}`)
    return null
  }
}

async function kept(to: RefusalLog, { run, ...attempt }: Attempt, error: StandbyError): Promise<KeptEvidence> {
  const now = to.clock.now()
  const body = refusalOf({
    ...attempt,
    run: run ?? newRun(now),
    failure: failureOf(error),
    now: now.toISOString(),
    toolVersion: TOOL_VERSION,
  })
  return keepEvidence(await to.store(), body)
}

const late = (): Error => siteError('witness-unreachable', `the witness did not take it within ${PATIENCE} ms`)
