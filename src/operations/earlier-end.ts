import type { World } from '../composition/connect.ts'
import type { MoveReport } from '../evidence/reports.ts'
import type { MoveOutcome } from '../execution/execute-move.ts'
import { LOCK_STEP } from '../planning/witness-steps.ts'
import { openJournal } from '../witness/journal.ts'
import { runOfHolder } from '../witness/lock-holder.ts'
import { readWitness } from '../witness/view.ts'
import type { RunOfPlan } from './run-of-plan.ts'

/** The verdict on a run, and the epoch at its end. */
export interface HowItEnded {
  readonly verdict: MoveReport['verdict']
  readonly epoch: number
}

/** An earlier attempt of the write may have arrived, regardless of the last answer. */
const IN_DOUBT: ReadonlySet<string> = new Set(['witness-unreachable', 'witness-throttled', 'witness-busy'])

/**
 * `refused` promises that nothing was changed. It is given only to a run that never asked for the lock, or that was
 * refused the lock without an interruption, and only if the witness says that neither lock nor epoch is this run's.
 * Every other run keeps the verdict of its steps.
 */
export async function howItEnded(
  world: World,
  { plan, run, how }: RunOfPlan,
  outcome: MoveOutcome,
): Promise<HowItEnded> {
  const { verdict, failure } = outcome
  const lock = outcome.steps.find(({ id }) => id === LOCK_STEP)?.outcome
  if (lock === 'done' || lock === 'was-done') return { verdict, epoch: plan.epoch + 1 }
  const [witness, journal] = await Promise.all([
    readWitness(world.store),
    openJournal(world.store, run).catch(() => null),
  ])
  if (witness.kind !== 'answering' || journal === null) return { verdict, epoch: plan.epoch + 1 }
  const onRecord = (kind: 'intent' | 'result'): boolean =>
    journal.entries.some((entry) => entry.kind === kind && entry.step === LOCK_STEP)
  const begun = witness.active?.run === run || onRecord('result')
  const holding = witness.lock !== null && !witness.lock.released && runOfHolder(witness.lock.holder) === run
  // A write whose answer was lost may still arrive.
  const certain = lock === 'failed' && !world.signal.aborted && !IN_DOUBT.has(failure?.code ?? '')
  const refused = how === 'begin' && !begun && !holding && (!onRecord('intent') || certain)
  return { verdict: refused ? 'refused' : verdict, epoch: plan.epoch + (begun ? 1 : 0) }
}
