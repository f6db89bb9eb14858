import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { type Milliseconds, readableDuration } from '../values/duration.ts'
import type { StepReport } from './step-report.ts'

/** What a run of steps tells while it goes on: for log groups, the live view and the report's timeline. */
export type ProgressEvent =
  | { readonly kind: 'phase'; readonly at: string; readonly phase: string }
  | {
      readonly kind: 'step-begun'
      readonly at: string
      readonly id: StepId
      readonly title: string
      readonly expected: Milliseconds
    }
  | { readonly kind: 'step-waiting'; readonly at: string; readonly id: StepId; readonly waitingFor: string }
  | {
      readonly kind: 'step-ended'
      readonly at: string
      readonly id: StepId
      readonly outcome: StepReport['outcome']
      readonly duration: Milliseconds
    }

/** Tells people and programs what is happening: one line per change of state, never one per poll. */
export interface Progress {
  begun(step: PlannedStep, at: string): void
  waiting(step: PlannedStep, what: string): void
  ended(step: PlannedStep, outcome: StepReport['outcome'], duration: Milliseconds): void
}

export function progressTo(log: Log, clock: Clock, listener: (event: ProgressEvent) => void): Progress {
  let phase = ''
  const at = (): string => clock.now().toISOString()
  return {
    begun(step, begunAt) {
      // One that begins early is shown with the phase that it begins in: its own is still to come, and others with it.
      const shownIn = step.mayBeginIn ?? step.phase
      if (shownIn !== phase) listener({ kind: 'phase', at: begunAt, phase: shownIn })
      phase = shownIn
      listener({ kind: 'step-begun', at: begunAt, id: step.id, title: step.title, expected: step.expected })
      log.info(`${step.phase.padEnd(11)} ${step.id}: ${step.title}`)
    },
    waiting(step, what) {
      listener({ kind: 'step-waiting', at: at(), id: step.id, waitingFor: what })
      log.info(`${step.phase.padEnd(11)} ${step.id}: waiting for ${what}`)
    },
    ended(step, outcome, duration) {
      listener({ kind: 'step-ended', at: at(), id: step.id, outcome, duration })
      log.info(`${step.phase.padEnd(11)} ${step.id}: ${outcome} (${readableDuration(duration)})`)
    },
  }
}
