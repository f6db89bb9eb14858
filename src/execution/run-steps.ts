import { asStandbyError, type StandbyError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { StepReport } from '../operations/reports.ts'
import type { Behaviour, Clock, DriverContext, StepRun } from '../planning/driver.ts'
import { readySteps } from '../planning/order-steps.ts'
import type { Intent, PlannedStep, StepId } from '../planning/plan.ts'
import { componentOf } from '../stack/stack.ts'
import { performStep } from './perform-step.ts'
import type { Progress } from './progress.ts'
import { deadlineAfter } from './settle.ts'

/** What a run of steps needs from outside: where behaviour comes from, and who writes down what happens. */
export interface StepsRun {
  readonly steps: readonly PlannedStep[]
  readonly intent: Intent | null
  readonly context: DriverContext
  readonly clock: Clock
  readonly behaviourOf: (step: PlannedStep) => Behaviour
  /** Proofs of steps that were done before, by this run on another runner. */
  readonly proofs: Map<StepId, JsonObject>
  readonly recorder: Recorder
  readonly progress: Progress
  /** Runs in front of every effect of an irreversible step: lock, epoch and expected state are read again. */
  readonly beforeIrreversible: (step: PlannedStep) => Promise<void>
  readonly signal: AbortSignal
}

/** Write-ahead: the intent is on record before the effect, the result before anything rests on it. */
export interface Recorder {
  intent(step: PlannedStep, at: string): Promise<void>
  result(step: PlannedStep, at: string, outcome: 'done' | 'was-done', proof: JsonObject): Promise<void>
  failed(step: PlannedStep, at: string, error: StandbyError): Promise<void>
}

export interface StepsOutcome {
  readonly reports: readonly StepReport[]
  readonly failure: StandbyError | null
}

/**
 * Runs the steps, each as soon as its phase and its needs allow, beside others where they allow it.
 * The first failure stops the others; nothing new begins after it.
 */
export async function runSteps(run: StepsRun): Promise<StepsOutcome> {
  const stopping = new AbortController()
  const signal = AbortSignal.any([run.signal, stopping.signal])
  const reports = new Map<StepId, StepReport>(run.steps.map((step) => [step.id, notReached(step)]))
  const done = new Set<StepId>(run.proofs.keys())
  for (const step of run.steps)
    if (done.has(step.id)) reports.set(step.id, { ...notReached(step), outcome: 'was-done', proof: run.proofs.get(step.id) ?? null })
  const running = new Map<StepId, Promise<void>>()
  let failure: StandbyError | null = null

  const begin = async (step: PlannedStep): Promise<void> => {
    const begunAt = run.clock.now().toISOString()
    try {
      const performed = await performOne(run, step, begunAt, signal)
      run.proofs.set(step.id, performed.proof)
      done.add(step.id)
      reports.set(step.id, {
        ...notReached(step),
        outcome: performed.outcome,
        begunAt,
        endedAt: run.clock.now().toISOString(),
        proof: performed.proof,
      })
    } catch (error) {
      // What fails after the first failure was stopped by it, and says nothing new.
      const reason = asStandbyError(error)
      failure ??= reason
      reports.set(step.id, { ...notReached(step), outcome: 'failed', begunAt, endedAt: run.clock.now().toISOString() })
      stopping.abort(reason)
      await run.recorder.failed(step, run.clock.now().toISOString(), reason)
    }
    const report = reports.get(step.id)
    if (report !== undefined) run.progress.ended(step, report.outcome, run.clock.now().getTime() - Date.parse(begunAt))
  }

  while (done.size < run.steps.length) {
    if (failure === null && !signal.aborted)
      for (const step of readySteps(run.steps, done, new Set(running.keys())))
        running.set(
          step.id,
          begin(step).finally(() => running.delete(step.id)),
        )
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  if (failure === null && run.signal.aborted) failure = asStandbyError(run.signal.reason)
  return { reports: run.steps.flatMap((step) => reports.get(step.id) ?? []), failure }
}

async function performOne(run: StepsRun, step: PlannedStep, begunAt: string, signal: AbortSignal) {
  run.progress.begun(step, begunAt)
  await run.recorder.intent(step, begunAt)
  const deadline = deadlineAfter(step.deadline)
  const bounded = AbortSignal.any([signal, deadline.signal])
  const stepRun: StepRun = {
    step,
    component: componentOrCore(run, step),
    intent: run.intent,
    context: { ...run.context, signal: bounded },
    signal: bounded,
    begunAt,
    applied: false,
    proofOf: (id) => run.proofs.get(id) ?? null,
  }
  const performed = await performStep(run.behaviourOf(step), stepRun, {
    clock: run.clock,
    signal,
    deadline,
    beforeEffect: async () => (step.irreversible ? run.beforeIrreversible(step) : undefined),
    waiting: (what) => run.progress.waiting(step, what),
  })
  await run.recorder.result(step, run.clock.now().toISOString(), performed.outcome, performed.proof)
  return performed
}

/** The core's own steps belong to no declared component. */
function componentOrCore(run: StepsRun, step: PlannedStep): StepRun['component'] {
  return run.context.stack.components.some((component) => component.name === step.component)
    ? componentOf(run.context.stack, step.component)
    : { name: step.component, driver: 'core', needs: [], spec: {} }
}

function notReached(step: PlannedStep): StepReport {
  return {
    id: step.id,
    title: step.title,
    phase: step.phase,
    site: step.site,
    outcome: 'not-reached',
    begunAt: null,
    endedAt: null,
    proof: null,
  }
}
