import type { World } from '../composition/connect.ts'
import type { Plan, StepId } from '../domain/plan.ts'
import { StandbyError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { planCommand } from '../planning/plan-command.ts'
import { resumedFailoverFindings } from '../planning/resumed-failover.ts'
import { activateStep, LOCK_STEP } from '../planning/witness-steps.ts'
import { readActive } from '../witness/active.ts'
import { openJournal, stepsOnRecord, turnedBack } from '../witness/journal.ts'

/** The progress of a run, by its journal and by the witness. */
export interface HowFar {
  readonly is: 'not-begun' | 'begun' | 'committed' | 'going-back'
  readonly isDone: (step: StepId) => boolean
}

/** `not-begun`: it never held its lock with its epoch, so it has changed nothing. */
export async function howFar(
  world: World,
  { run, plan }: { readonly run: string; readonly plan: Plan },
): Promise<HowFar> {
  const [{ entries }, active] = await Promise.all([openJournal(world.store, run), readActive(world.store)])
  const onRecord = stepsOnRecord(entries)
  const isDone = (step: StepId): boolean => ['done', 'was-done'].includes(onRecord.get(step) ?? '')
  const ours = active?.record.run === run && active.record.epoch === plan.epoch + 1
  const committed = isDone(activateStep(plan.intent)) || (ours && active.record.activeSite === plan.intent.to)
  if (committed) return { is: 'committed', isDone }
  if (turnedBack(entries)) return { is: 'going-back', isDone }
  return { is: ours || isDone(LOCK_STEP) ? 'begun' : 'not-begun', isDone }
}

/**
 * A failover or a follow that is resumed before its point of no return is judged by the current observation. Throws
 * `fence-too-low` or `loss-above-bound`.
 */
export function refuseRiskier(
  world: World,
  run: string,
  plan: Plan,
  observation: Observation,
  { is, isDone }: HowFar,
): void {
  if (is !== 'begun') return
  const [first, ...others] = resumedFailoverFindings(world.stack, observation, plan, world.drivers, isDone)
  if (first === undefined) return
  throw new StandbyError({
    code: first.code,
    mustAct: 'site',
    what: `run ${run} is not resumed: ${[first, ...others].map(({ what }) => what).join('; ')}`,
    ...(first.site === undefined ? {} : { where: first.site }),
    next: `Take it back: standby failover abort --run ${run}; then plan anew: ${planCommand(plan.intent)}`,
  })
}
