import type { Finding } from '../domain/plan.ts'
import type { Observation } from '../observation/observation.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../values/duration.ts'

/** A clock that is set by NTP is a few milliseconds off; what a `Date` says is a second coarse. */
const SKEWED: Milliseconds = seconds(30)
/** Stores refuse signatures of 15 min, and people read the times of evidence. */
const WRONG: Milliseconds = minutes(5)

/**
 * How far this runner's clock is from the one of the witness, where that is worth a word. Nothing is decided by the
 * runner's. Pure.
 */
export function clockFindings({ clockSkew = null }: Observation): Finding[] {
  const off = Math.abs(clockSkew ?? 0)
  if (clockSkew === null || off <= SKEWED) return []
  const what = `the clock of this runner is ${readableDuration(off)} ${clockSkew > 0 ? 'ahead of' : 'behind'} the one of the witness`
  const next = 'Set the clock of this machine (NTP), or use another one.'
  return [
    off > WRONG
      ? { code: 'clock-wrong', severity: 'blocker', what: `${what}: nothing is changed from here`, next }
      : {
          code: 'clock-skewed',
          severity: 'warning',
          what: `${what}; plans, approvals and locks are judged by the time of the witness`,
          next,
        },
  ]
}
