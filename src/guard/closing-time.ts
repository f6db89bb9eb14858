import { type Milliseconds, seconds } from '../values/duration.ts'
import type { GuardRules } from './decide.ts'

/** The guard's own limits. A failover that waits for the guard adds them up. */

/** The store has its own, longer deadlines; a round must not wait for them. */
export const READ_DEADLINE: Milliseconds = seconds(5)
/** The client's own (`kubernetes-client.ts`), for asking which cluster this is. */
const CLUSTER_DEADLINE: Milliseconds = seconds(10)
/** One component that hangs must not keep the others open. */
export const LOOK_DEADLINE: Milliseconds = seconds(5)
/** A step that takes longer is checked again in the next round. */
export const STEP_DEADLINE: Milliseconds = seconds(60)
/** Between two rounds the report is written. */
export const REPORT_DEADLINE: Milliseconds = seconds(5)

/** Spreads the reads of many guards: a pause is `every`, plus or minus this fraction of it. */
const SPREAD = 0.2
/** The pause between two rounds; `random` from 0 to 1. */
export const pauseOf = (every: Milliseconds, random: number): Milliseconds => every * (1 - SPREAD + 2 * SPREAD * random)

/**
 * The clocks of two machines run at different speeds: NTP adjusts one by at most 0.05 %
 * (https://www.rfc-editor.org/rfc/rfc5905), and quartz deviates by less.
 */
const CLOCK_MARGIN = 0.01

/**
 * The time within which a living guard has closed its site after the witness named another one, even if the guard can
 * read nothing. Milliseconds, in whole seconds. Null: never by time alone, because without `closeAfter` a site that was
 * proven active stays open while its witness is silent.
 *
 * The guard asked for its last proof before that moment, and the proof expires. The guard may restart once in the
 * meantime and then knows nothing: add `silence`. Then its last round ends (report, pause, reading), and the closing
 * round follows: cluster identity, observation, reading before the effects, steps. There is no bound for a guard that
 * does not run, or for a site whose API server refuses the steps.
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
