import type { Way } from '../clients/patience.ts'
import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { Progress as Answer } from '../domain/progress.ts'
import { asStandbyError, type StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import type { Verdict } from '../witness/journal.ts'
import { type AroundSteps, performerOf } from './bounded-performer.ts'
import { restingOnClaim } from './claims.ts'
import { boundOnShutting } from './fence-again.ts'
import { FRESHNESS, FRESHNESS_WHEN_CLEARED, patienceOffRecord, patienceWithSeen } from './freshness.ts'
import { isByTime, isFence, isFinal } from './gates.ts'
import type { StepPerformer } from './perform-step.ts'
import type { Recorder } from './recorder.ts'
import { type Command, type Course, isDone, isOffRecord, PAST, type RunEvent, type RunState } from './run-state.ts'
import { notReached, reportBefore, type StepReport } from './step-report.ts'
import { advance, commandsOf } from './transition.ts'
import { fought, notHolding, stoppedBecause, unproven, unseen } from './why-stopped.ts'

/** What a run of steps needs from outside: the behaviour of each step, and the record of what happens. */
export interface StepsRun extends AroundSteps {
  readonly course: Course
  /** The state to begin with, or to go on from. */
  readonly from: RunState
  /** Proofs of steps that were done before, by this run in another process; those of this one are added. */
  readonly proofs: Map<StepId, JsonObject>
  readonly recorder: Recorder
  /** The ways to what a step asks, as far as their length is known. */
  readonly waysTo: (step: PlannedStep) => readonly Way[]
  readonly signal: AbortSignal
}

export interface StepsOutcome {
  readonly reports: readonly StepReport[]
  readonly failure: StandbyError | null
  /** null: cancelled before anything was decided. */
  readonly verdict: Verdict | null
  readonly state: RunState
}

/** What this process knows about a step that it works on. */
interface Working {
  readonly begunAt: string
  readonly performer: StepPerformer
  proof: JsonObject
  /** Why the run goes on without it. */
  lacks: StandbyError | null
}

/**
 * Carries out what `transition.ts` commands, each step as soon as its phase and its needs allow, beside others where
 * they allow it. Nothing new begins after the first failure, which also stops the others where the course says so.
 */
export async function runSteps(run: StepsRun): Promise<StepsOutcome> {
  const stopping = new AbortController()
  const forwardSignal = AbortSignal.any([run.signal, stopping.signal])
  const working = new Map<StepId, Working>()
  const busy = new Map<StepId, Promise<void>>()
  const reports = new Map<StepId, StepReport>(
    run.course.steps.map((step) => [step.id, reportBefore(step, run.from.steps[step.id], run.proofs.get(step.id))]),
  )
  let state = run.from
  let failure: StandbyError | null = null
  let verdict: Verdict | null = null
  const mayShutAgain = boundOnShutting(run.clock)
  /** When this process last saw each claim hold; ms of its clock. */
  const sightedAt = new Map<StepId, number>()

  const note = (event: RunEvent): void => {
    state = advance(run.course, state, event)
    if (event.is === 'revalidated' || event.is === 'result-recorded')
      sightedAt.set(event.step, run.clock.now().getTime())
  }
  /** A look is old when no effect follows at once: the old site may have been opened meanwhile. */
  const fade = (): void => {
    const now = run.clock.now().getTime()
    const isOlder = (bound: number) => (id: StepId) => now - (sightedAt.get(id) ?? Number.NEGATIVE_INFINITY) > bound
    const sighted = run.course.steps
      .filter((step) => state.seen[step.id] === 'now' && !isByTime(step))
      .map(({ id }) => id)
    const bound = Object.values(state.steps).includes('cleared') ? FRESHNESS_WHEN_CLEARED : FRESHNESS
    // By the newest one, so that looks of different length do not cause each other forever; and none may be much older.
    const old = sighted.filter(isOlder(FRESHNESS_WHEN_CLEARED))
    if (sighted.length > 0 && sighted.every(isOlder(bound))) note({ is: 'faded' })
    else if (old.length > 0) note({ is: 'faded', steps: old })
  }
  const isPastReturn = (): boolean =>
    run.course.pointOfNoReturn !== null && isDone(state.steps[run.course.pointOfNoReturn])
  const workOn = (step: PlannedStep): Working => {
    const direction = state.direction === 'back' && step.id !== run.course.lock ? 'back' : 'forward'
    const key = `${direction} ${step.id}`
    const found = working.get(key)
    if (found !== undefined) return found
    const begunAt = run.clock.now().toISOString()
    const signal = direction === 'back' ? run.signal : forwardSignal
    const performer = performerOf(run, step, { begunAt, signal, direction, pastReturn: isPastReturn(), applied: false })
    const begun: Working = { begunAt, performer, proof: {}, lacks: null }
    working.set(key, begun)
    run.progress.begun(step, begunAt)
    return begun
  }
  const conclude = (step: PlannedStep, outcome: StepReport['outcome'], proof: JsonObject | null): void => {
    const { begunAt, performer } = workOn(step)
    performer.close()
    const before = reports.get(step.id)
    const endedAt = run.clock.now().toISOString()
    reports.set(step.id, { ...notReached(step), outcome, begunAt, endedAt, proof: proof ?? before?.proof ?? null })
    run.progress.ended(step, outcome, Date.parse(endedAt) - Date.parse(begunAt))
  }

  /** Keeps the times and the proof of the effect: the way back has its own. */
  const concludeBack = (step: PlannedStep, proof: JsonObject): void => {
    const { begunAt, performer } = workOn(step)
    performer.close()
    const endedAt = run.clock.now().toISOString()
    reports.set(step.id, {
      ...(reports.get(step.id) ?? notReached(step)),
      outcome: 'undone',
      takenBack: { begunAt, endedAt, proof },
    })
    run.progress.ended(step, 'undone', Date.parse(endedAt) - Date.parse(begunAt))
  }

  /** Looks whether a fence that is not on record as shut has to be opened. */
  const lookOffRecord = async (step: PlannedStep): Promise<void> => {
    const begunAt = run.clock.now().toISOString()
    const how = { begunAt, signal: run.signal, direction: 'back', pastReturn: isPastReturn(), applied: false } as const
    const looker = performerOf(run, step, how, Math.min(step.deadline, patienceOffRecord(run.waysTo(step))))
    const seen = await looker.lookOffRecord().finally(() => looker.close())
    if (seen.is === 'unknown')
      run.context.log.warning(
        `${step.id} is not on record as shut, and whether it is shut is unknown: ${seen.why}. It is left as it is; look at it if this run's journal lacks entries`,
      )
    note({ is: 'observed', step: step.id, saw: seen.is === 'failed' ? 'unknown' : seen.is })
  }

  const carryOut = async (command: Extract<Command, { step: StepId }>, step: PlannedStep): Promise<void> => {
    if (command.do === 'observe' && isOffRecord(state.steps[step.id])) return lookOffRecord(step)
    const work = workOn(step)
    const at = run.clock.now().toISOString()
    switch (command.do) {
      case 'record-intent':
        await run.recorder.intent(step, work.begunAt)
        return note({ is: 'intent-recorded', step: step.id })
      case 'observe': {
        const before = state.steps[step.id]
        const seen =
          before === 'applied'
            ? { is: 'done' as const, proof: await work.performer.wait() }
            : await work.performer.look(before === 'unsure')
        if (seen.is === 'done') work.proof = seen.proof
        return note({ is: 'observed', step: step.id, saw: seen.is === 'failed' ? 'unknown' : seen.is })
      }
      case 'assert-ours':
        // A witness that is always slower than a look at the fences counts would make this loop endless.
        work.performer.refuseLate('the lock and the fences to be seen within one moment')
        await run.assertOurs(step)
        return note({ is: 'cleared', step: step.id })
      case 'apply':
        await work.performer.apply()
        return note({ is: 'applied', step: step.id })
      case 'record-result': {
        const outcome = state.steps[step.id] === 'held' ? 'was-done' : 'done'
        await run.recorder.result(step, at, outcome, work.proof)
        run.proofs.set(step.id, work.proof)
        conclude(step, outcome, work.proof)
        return note({ is: 'result-recorded', step: step.id })
      }
      case 'record-given-up': {
        const why = work.lacks ?? asStandbyError(new Error(`${step.id} was not reached`))
        await run.recorder.givenUp(step, at, why)
        conclude(step, 'given-up', null)
        run.context.log.warning(`${step.id} is given up, and the run goes on: ${why.message}`)
        return note({ is: 'given-up-recorded', step: step.id })
      }
      case 'revalidate':
        return lookAgain(step)
      case 'record-reopened': {
        if (!mayShutAgain(step, run.intent?.mode === 'switchover' && !isPastReturn())) throw fought(step)
        const rest = restingOnClaim(run.course, state, step.id)
        await run.recorder.reopened(step, at, rest)
        run.proofs.delete(step.id)
        run.context.log.warning(
          `${step.id} was on record, and does not hold: it is ${isFence(step) ? 'shut' : 'done'} again${rest.length === 0 ? '' : `, and ${rest.join(', ')} are looked at again`}`,
        )
        // Each begins anew, with its whole deadline.
        for (const id of [step.id, ...rest]) working.delete(`forward ${id}`)
        return note({ is: 'reopened-recorded', step: step.id })
      }
      case 'take-back':
        work.proof = await work.performer.takeBack()
        return note({ is: 'taken-back', step: step.id })
      case 'record-undone':
        await run.recorder.undone(step, at, work.proof)
        run.proofs.delete(step.id)
        concludeBack(step, work.proof)
        return note({ is: 'undone-recorded', step: step.id })
    }
  }

  /** Looks again whether a claim that is on record holds. Its report changes only if it does not. */
  const lookAgain = async (step: PlannedStep): Promise<void> => {
    const known = state.seen[step.id] !== undefined
    const patience = known ? patienceWithSeen(run.waysTo(step)) : (step.bestEffort ?? step.deadline)
    const begunAt = run.clock.now().toISOString()
    // What this process has seen to hold was set by it or before it: a change since then was made by others.
    const how = {
      begunAt,
      signal: forwardSignal,
      direction: 'forward',
      pastReturn: isPastReturn(),
      applied: known,
    } as const
    const looker = performerOf(run, step, how, patience)
    let why = ''
    const final = isFinal(run.course, step)
    const seen = await (final ? looker.lookAgain() : looker.look(true)).catch((error: unknown): Answer => {
      const reason = asStandbyError(error)
      if (reason.code !== 'step-timeout') throw reason
      why = reason.message
      return { is: 'unknown', why }
    })
    looker.close()
    note({ is: 'revalidated', step: step.id, saw: seen.is === 'failed' ? 'unknown' : seen.is })
    const after = state.steps[step.id]
    if (seen.is === 'unknown' && after !== 'failed')
      run.context.log.warning(
        `${step.id} is not seen: ${why}; ${after === 'lacking' ? 'the run goes on without it' : 'it was seen to hold, and its site went silent since'}`,
      )
    if (after === 'lacking') workOn(step).lacks = unseen(step, why)
    if (after !== 'failed') return
    if (final)
      return stopped(
        step,
        unproven(step, seen.is === 'unknown' ? `this process cannot see that it holds: ${why}` : 'it does not hold'),
      )
    await stopped(step, seen.is === 'unknown' ? unseen(step, why) : notHolding(step))
  }
  /** The run stops because of what it has seen. */
  const stopped = async (step: PlannedStep, reason: StandbyError): Promise<void> => {
    failure ??= reason
    conclude(step, 'failed', null)
    stopping.abort(failure)
    await run.recorder.failed(step, run.clock.now().toISOString(), reason).catch(() => undefined)
  }

  const isGivenUp = (step: PlannedStep, reason: StandbyError): boolean => {
    const after = advance(run.course, state, { is: 'threw', step: step.id })
    if (after.steps[step.id] !== 'lacking') return false
    workOn(step).lacks = reason
    state = after
    return true
  }

  const known = new Set<string>()
  let commandsInKnownStates = 0
  const begin = async (command: Extract<Command, { step: StepId }>, step: PlannedStep): Promise<void> => {
    try {
      await carryOut(command, step)
      const reached = JSON.stringify(state)
      commandsInKnownStates = known.has(reached) ? commandsInKnownStates + 1 : 0
      known.add(reached)
      if (commandsInKnownStates > MOST_IN_KNOWN_STATES)
        throw new Error(`the run asks for ${command.do} of ${step.id} again and again, and gets no further`)
    } catch (error) {
      const reason = asStandbyError(error)
      if (!run.signal.aborted && reason.code !== LOST && isGivenUp(step, reason)) return
      // Where the first failure stops the others, what they say about it is nothing new.
      const isReported = failure === null || state.direction === 'back' || !run.course.stopsOthers
      failure ??= reason
      if (reason.code === PAST) return note({ is: 'committed', step: step.id })
      if (reason.code === LOST) note({ is: 'lost' })
      note({ is: 'threw', step: step.id })
      conclude(step, 'failed', null)
      if (run.course.stopsOthers || reason.code === LOST) stopping.abort(failure)
      if (isReported) await run.recorder.failed(step, run.clock.now().toISOString(), reason).catch(() => undefined)
    }
  }

  while (!run.signal.aborted || busy.size > 0) {
    fade()
    const commands = run.signal.aborted ? [] : commandsOf(run.course, state)
    for (const command of commands) {
      if (!('step' in command) || busy.has(command.step)) continue
      const step = run.course.steps.find((candidate) => candidate.id === command.step)
      if (step === undefined) throw new Error(`${command.step} is not in the plan`)
      busy.set(
        step.id,
        begin(command, step).finally(() => busy.delete(step.id)),
      )
    }
    if (busy.size > 0) {
      await Promise.race(busy.values())
      continue
    }
    const whole = commands.find((command) => !('step' in command))
    if (whole?.do === 'turn-back') {
      await run.recorder.turnedBack(run.clock.now().toISOString())
      note({ is: 'turned-back' })
    } else if (whole?.do === 'end') {
      verdict = whole.verdict
      break
    } else if (commands.length === 0) break
  }
  for (const { performer } of working.values()) performer.close()
  if (failure === null && run.signal.aborted) failure = asStandbyError(run.signal.reason)
  if (failure === null && verdict === 'stopped') failure = stoppedBecause(run.course, run.intent, state)
  return { reports: run.course.steps.flatMap((step) => reports.get(step.id) ?? []), failure, verdict, state }
}

/**
 * Commands in a row that lead to no new state of the run. A wait is one command, and looks that grow old end by the
 * deadline of their step: more than this is a defect of `transition.ts`, which must end the run.
 */
const MOST_IN_KNOWN_STATES = 10_000

/** Another process holds the lock: this one touches nothing any more. */
const LOST = 'lock-lost'
