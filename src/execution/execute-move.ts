import { asStandbyError, type StandbyError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { StepReport } from '../operations/reports.ts'
import type { Behaviour, Clock, Driver, DriverContext } from '../planning/driver.ts'
import type { Plan, PlannedStep, StepId } from '../planning/plan.ts'
import { activateStep, LOCK_STEP, WITNESS } from '../planning/witness-steps.ts'
import { componentOf } from '../stack/stack.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { type Journal, openJournal, proofsOf } from './journal.ts'
import type { Progress } from './progress.ts'
import { type Recorder, runSteps } from './run-steps.ts'
import { assertStillOurs, LOCK_LIFETIME, releaseLock, renewLock } from './witness.ts'
import { witnessBehaviours } from './witness-behaviours.ts'

export interface MoveRun {
  readonly plan: Plan
  readonly digest: string
  readonly run: string
  readonly store: ConditionalStore
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
  readonly progress: Progress
  readonly signal: AbortSignal
}

export interface MoveOutcome {
  readonly steps: readonly StepReport[]
  readonly failure: StandbyError | null
  /** Whether the witness named the new site: from then on there is no way back. */
  readonly committed: boolean
}

/**
 * Performs an approved plan. What was done before, by this run on another runner, is not done again.
 * A failure before the point of no return is undone in reverse; after it the run only goes forward, and stops where it can not.
 */
export async function executeMove(move: MoveRun): Promise<MoveOutcome> {
  const journal = await openJournal(move.store, move.run)
  const proofs = proofsOf(journal.entries)
  const at = (): string => move.clock.now().toISOString()
  await journal.append({
    kind: 'begun',
    at: at(),
    planDigest: move.digest,
    epoch: move.plan.epoch + 1,
    resumed: journal.entries.length > 0,
  })

  const lost = new AbortController()
  const signal = AbortSignal.any([move.signal, lost.signal])
  const renewing = keepLock(move, () => proofs.has(LOCK_STEP), lost)
  try {
    const outcome = await runSteps({
      steps: move.plan.steps,
      intent: move.plan.intent,
      context: move.context,
      clock: move.clock,
      behaviourOf: (step) => behaviourOf(move, step),
      proofs,
      recorder: recorderTo(journal),
      progress: move.progress,
      beforeIrreversible: () => assertStillOurs(move.store, move.run, move.plan.epoch + 1, move.clock.now()),
      signal,
    })
    const committed = proofs.has(activateStep(move.plan.intent))
    const mayUndo =
      outcome.failure !== null && !committed && !intentOnRecord(journal, activateStep(move.plan.intent)) && !move.signal.aborted
    const steps = mayUndo ? await undo(move, outcome.reports, proofs, journal) : outcome.reports
    await journal.append({
      kind: 'ended',
      at: at(),
      verdict: outcome.failure === null ? 'moved' : 'stopped',
      code: outcome.failure?.code ?? null,
    })
    return { steps, failure: outcome.failure, committed }
  } finally {
    clearInterval(renewing)
  }
}

/** An intent without a result may have happened: then nothing is undone, a human looks. */
const intentOnRecord = (journal: Journal, step: StepId): boolean =>
  journal.entries.some((entry) => entry.kind === 'intent' && entry.step === step)

function behaviourOf(move: MoveRun, step: PlannedStep): Behaviour {
  const behaviours =
    step.component === WITNESS
      ? witnessBehaviours({ store: move.store, run: move.run, plan: move.plan, clock: move.clock })
      : move.drivers[componentOf(move.context.stack, step.component).driver]?.behaviours
  const behaviour = behaviours?.[step.action]
  if (behaviour === undefined) throw new Error(`no driver performs ${step.action} of ${step.id}`)
  return behaviour
}

function recorderTo(journal: Journal): Recorder {
  return {
    intent: (step, at) => journal.append({ kind: 'intent', at, step: step.id }),
    result: (step, at, outcome, proof) => journal.append({ kind: 'result', at, step: step.id, outcome, proof }),
    failed: (step, at, error) => journal.append({ kind: 'failed', at, step: step.id, code: error.code, what: error.message }),
  }
}

/** Renews the lock from when it was taken on, while the run lives; a lost lock stops it. */
function keepLock(move: MoveRun, taken: () => boolean, lost: AbortController): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (!taken()) return
    renewLock(move.store, move.run, move.clock.now()).catch((error: unknown) => {
      const reason = asStandbyError(error)
      if (reason.code === 'lock-lost' && reason.message.includes('holds it now')) lost.abort(reason)
      else move.context.log.warning(`the lock could not be renewed: ${reason.message}`)
    })
  }, LOCK_LIFETIME / 4)
  timer.unref()
  return timer
}

/** Takes back, last first, what was applied; what can not be undone is reported and left. */
async function undo(
  move: MoveRun,
  reports: readonly StepReport[],
  proofs: ReadonlyMap<StepId, JsonObject>,
  journal: Journal,
): Promise<readonly StepReport[]> {
  const undone = new Set<StepId>()
  const touched = reports.filter((report) => report.outcome === 'done' || report.outcome === 'failed').reverse()
  for (const report of touched) {
    const step = move.plan.steps.find((candidate) => candidate.id === report.id)
    if (step === undefined || step.component === WITNESS) continue
    const behaviour = behaviourOf(move, step)
    if (behaviour.undo === undefined) continue
    move.context.log.info(`UNDO        ${step.id}`)
    const signal = AbortSignal.timeout(step.deadline)
    try {
      await behaviour.undo({
        step,
        component: componentOf(move.context.stack, step.component),
        intent: move.plan.intent,
        context: { ...move.context, signal },
        signal,
        begunAt: move.clock.now().toISOString(),
        applied: true,
        proofOf: (id) => proofs.get(id) ?? null,
      })
      await journal.append({ kind: 'undone', at: move.clock.now().toISOString(), step: step.id })
      undone.add(step.id)
    } catch (error) {
      const reason = asStandbyError(error)
      move.context.log.warning(`${step.id} could not be undone: ${reason.message}`)
      await journal.append({
        kind: 'failed',
        at: move.clock.now().toISOString(),
        step: step.id,
        code: reason.code,
        what: `undo: ${reason.message}`,
      })
    }
  }
  await releaseLock(move.store, move.run)
  return reports.map((report) => (undone.has(report.id) ? { ...report, outcome: 'undone' as const } : report))
}
