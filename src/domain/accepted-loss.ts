import { inputError, type StandbyError } from '../errors/standby-error.ts'
import { durationInput, type Milliseconds, parseDuration, readableDuration } from '../values/duration.ts'

/**
 * The loss that a person accepts in a failover: a duration of acknowledged writes, or `unknown`: any loss, even one
 * that cannot be measured. Only the word itself accepts such a loss; no bound covers it.
 */
export type AcceptedLoss = Milliseconds | typeof UNKNOWN_LOSS

export const UNKNOWN_LOSS = 'unknown'

/** Reads `--accept-data-loss` or the input `accept-data-loss`. Throws `input-invalid`; `input` names the source. */
export function readAcceptedLoss(text: string, input: string): AcceptedLoss {
  const accepted = text === UNKNOWN_LOSS ? UNKNOWN_LOSS : parseDuration(text)
  if (accepted === null) throw unreadable(text, input)
  return accepted
}

const unreadable = (text: string, input: string): StandbyError =>
  inputError('input-invalid', `${input} is ${text}, and must be a duration, or ${UNKNOWN_LOSS}`, {
    next: `For example 30s, 5m or 1h; ${UNKNOWN_LOSS} accepts a loss that cannot be measured.`,
  })

/** The text that {@link readAcceptedLoss} reads. */
export const acceptedLossInput = (accepted: AcceptedLoss): string =>
  accepted === UNKNOWN_LOSS ? UNKNOWN_LOSS : durationInput(accepted)

/** For people, in one line. It is part of the signed text: a change would make earlier signatures wrong. */
export const acceptedLossText = (accepted: AcceptedLoss): string =>
  accepted === UNKNOWN_LOSS
    ? 'any, also one that cannot be measured (unknown)'
    : `at most ${readableDuration(accepted)}`

/** Whether a loss is covered; a loss of null cannot be measured. Without an accepted loss nothing is covered. */
export const coversLoss = (accepted: AcceptedLoss | undefined, loss: Milliseconds | null): boolean =>
  accepted === UNKNOWN_LOSS || (accepted !== undefined && loss !== null && loss <= accepted)

/** Whether a value of a plan is one. */
export const isAcceptedLoss = (value: unknown): value is AcceptedLoss =>
  value === UNKNOWN_LOSS || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
