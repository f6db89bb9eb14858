import { inputError, type StandbyError } from '../errors/standby-error.ts'
import { durationInput, type Milliseconds, parseDuration, readableDuration } from '../values/duration.ts'

/**
 * What a person accepts to lose in a failover: so much time of acknowledged writes, or `unknown`: any loss, also one
 * that cannot be measured. Nothing but the word itself accepts that: no bound is large enough for it.
 */
export type AcceptedLoss = Milliseconds | typeof UNKNOWN_LOSS

export const UNKNOWN_LOSS = 'unknown'

/** What `--accept-data-loss` and the input `accept-data-loss` say. Throws `input-invalid`; `input` names it. */
export function readAcceptedLoss(text: string, input: string): AcceptedLoss {
  const accepted = text === UNKNOWN_LOSS ? UNKNOWN_LOSS : parseDuration(text)
  if (accepted === null) throw unreadable(text, input)
  return accepted
}

const unreadable = (text: string, input: string): StandbyError =>
  inputError('input-invalid', `${input} is ${text}, and must be a duration, or ${UNKNOWN_LOSS}`, {
    next: `For example 30s, 5m or 1h; ${UNKNOWN_LOSS} accepts a loss that cannot be measured.`,
  })

/** As {@link readAcceptedLoss} reads it again. */
export const acceptedLossInput = (accepted: AcceptedLoss): string =>
  accepted === UNKNOWN_LOSS ? UNKNOWN_LOSS : durationInput(accepted)

/** For people, in one line: what is signed, and what a reviewer reads. */
export const acceptedLossText = (accepted: AcceptedLoss): string =>
  accepted === UNKNOWN_LOSS
    ? 'any, also one that cannot be measured (unknown)'
    : `at most ${readableDuration(accepted)}`

/** Whether a loss is covered; null: it cannot be measured. Nothing is covered where no person has accepted anything. */
export const coversLoss = (accepted: AcceptedLoss | undefined, loss: Milliseconds | null): boolean =>
  accepted === UNKNOWN_LOSS || (accepted !== undefined && loss !== null && loss <= accepted)

/** Whether a value of a plan is one. */
export const isAcceptedLoss = (value: unknown): value is AcceptedLoss =>
  value === UNKNOWN_LOSS || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
