import type { Intent, PlannedStep } from '../domain/plan.ts'
import { StandbyError } from '../errors/standby-error.ts'
import type { Course, RunState } from './run-state.ts'

/** A fence that is known from the journal alone. */
export const unseen = ({ id, site }: PlannedStep, why: string): StandbyError =>
  new StandbyError({
    code: 'fence-unseen',
    mustAct: 'site',
    what: `${id} is on record, and this process cannot see that it holds: ${why}`,
    ...(site === null ? {} : { where: site }),
    next: `Nothing was promoted on it. Bring ${site ?? 'it'} back and resume; or take the run back (standby failover abort) and plan a failover, which rests on nothing of a silent site.`,
  })

/** A promotion that is known from the journal alone. */
export const unproven = ({ id, site }: PlannedStep, why: string): StandbyError =>
  new StandbyError({
    code: 'result-unproven',
    mustAct: 'site',
    what: `${id} is on record as done, and ${why}`,
    ...(site === null ? {} : { where: site }),
    next: `Nothing was built on it now. See with standby status what is true on ${site ?? 'both sites'}, and who wrote to the journal of this run; then resume it.`,
  })

/** Others open it as often as it is shut. */
export const fought = ({ id, site }: PlannedStep): StandbyError =>
  new StandbyError({
    code: 'reverted-by-others',
    mustAct: 'site',
    what: `${id} was done, and was taken back by others, again after it had been done anew: two writers fight, and users wait meanwhile`,
    ...(site === null ? {} : { where: site }),
    next: 'Find out who keeps the object (standby status names it: managed-by-others), and pause it. docs/gitops.md says how both live together.',
  })

/** Witness and journal disagree. */
export const notHolding = ({ id }: PlannedStep): StandbyError =>
  new StandbyError({
    code: 'fence-open',
    mustAct: 'site',
    what: `${id} is on record as done, and does not hold: the witness was changed, or the journal of this run was forged`,
    where: 'witness active.json',
    next: 'Nothing was promoted on it. Look at the versions of active.json and of the journal before anything else is started.',
  })

/** Why a run stops although none of its steps failed. */
export function stoppedBecause(course: Course, intent: Intent | null, state: RunState): StandbyError {
  if (course.steps.some(({ id }) => state.steps[id] === 'undone')) return takenBackBefore(course, intent, state)
  const shut = course.steps
    .filter((step) => step.fence !== undefined && state.seen[step.id] !== undefined)
    .map(({ id }) => id)
  return new StandbyError({
    code: 'fence-missing',
    mustAct: 'site',
    what: `the fence must reach ${course.required ?? 'what the plan says'} before anything is promoted; seen to hold: ${shut.join(', ') || 'nothing'}`,
    next: 'Take the run back: standby failover abort.',
  })
}

/**
 * An earlier process took back what this run depends on: to go on without a look at the sites may lose what was written
 * since.
 */
function takenBackBefore(course: Course, intent: Intent | null, state: RunState): StandbyError {
  const undone = course.steps.filter(({ id }) => state.steps[id] === 'undone').map(({ id }) => id)
  const [from, to] = [intent?.from ?? 'the old site', intent?.to ?? 'the new site']
  return new StandbyError({
    code: 'reverted-after-return',
    mustAct: 'site',
    what: `${undone.join(', ')} was taken back, and the witness names ${to}: what came after rests on nothing any more`,
    where: 'witness active.json',
    next: `See with standby status which site accepts writes, and keep ${from} from writing. A failover is not kept waiting by this run: standby failover plan --mode failover.`,
  })
}
