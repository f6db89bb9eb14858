import { type Milliseconds, seconds } from '../values/duration.ts'
import type { GuardRules } from './decide.ts'

/** The guard's own limits: it keeps them, and a failover that waits for it adds them up. */

/** The store has its own, longer deadlines; a round must not wait for them. */
export const READ_DEADLINE: Milliseconds = seconds(5)
/** The client's own (`kubernetes-client.ts`), for the question which cluster this is. */
const CLUSTER_DEADLINE: Milliseconds = seconds(10)
/** One component that hangs must not keep the others open. */
export const LOOK_DEADLINE: Milliseconds = seconds(5)
/** A step that takes longer is looked at again in the next round. */
export const STEP_DEADLINE: Milliseconds = seconds(60)
/** Between two rounds the report is written. */
export const REPORT_DEADLINE: Milliseconds = seconds(5)

/** Guards of many sites must not read in one beat: a pause is `every`, more or less by this part of it. */
const SPREAD = 0.2
/** The pause between two rounds; `random` from 0 to 1. */
export const pauseOf = (every: Milliseconds, random: number): Milliseconds => every * (1 - SPREAD + 2 * SPREAD * random)

/**
 * Two machines' clocks run differently: NTP turns one by at most 0.05 % (https://www.rfc-editor.org/rfc/rfc5905),
 * quartz errs by less.
 */
const CLOCK_MARGIN = 0.01

/**
 * Within which time after the witness named another site a guard that lives has closed its own, whatever it can read;
 * null: never by time alone, because without `closeAfter` a site that was proven active stays open while its witness is
 * silent. In whole seconds.
 *
 * Its last proof was asked for before that moment, and runs out. It may start once anew in the meantime, and knows
 * nothing then: `silence` on top. Then its last round ends (report, pause, reading), and the closing one: which
 * cluster, the look, the reading before the effects, the steps. Nothing bounds a guard that does not run, or a site
 * whose API server refuses its steps.
 */
export function closesWithin({
  silence,
  closeAfter,
  every,
}: GuardRules & { readonly every: Milliseconds }): Milliseconds | null {
  if (closeAfter === null) return null
  const proof = Math.max(closeAfter, silence) + silence
  const lastRound = REPORT_DEADLINE + pauseOf(every, 1) + READ_DEADLINE
  const closing = CLUSTER_DEADLINE + LOOK_DEADLINE + READ_DEADLINE + STEP_DEADLINE
  return seconds(Math.ceil(((proof + lastRound + closing) * (1 + CLOCK_MARGIN)) / 1_000))
}
