import { changesActiveSite, type Intent, type PlannedStep } from '../domain/plan.ts'
import { minutes, seconds } from '../values/duration.ts'

/** The component name of the core's own steps in a plan; no declared component may have it. */
export const WITNESS = 'witness'

/** The id of the step that takes the lock. */
export const LOCK_STEP = `${WITNESS}.lock`
/** The id of the point of no return. */
export const activateStep = (intent: Intent): string => `${WITNESS}.activate@${intent.to}`

/**
 * The steps that the core itself performs: the lock, the point of no return (where the active site stays there is
 * none), and the end.
 */
export function witnessSteps(intent: Intent): PlannedStep[] {
  const steps = stepsOfMove(intent)
  return changesActiveSite(intent) ? steps : steps.filter(({ id }) => id !== activateStep(intent))
}

function stepsOfMove(intent: Intent): PlannedStep[] {
  const common = { component: WITNESS, site: null, parameters: {}, deadline: minutes(5), expected: seconds(0.1) }
  return [
    {
      ...common,
      id: LOCK_STEP,
      action: 'lock',
      phase: 'LOCK',
      needs: [],
      irreversible: false,
      title: 'Takes the lock, burns the nonce of this plan and begins the next epoch: no other run can begin',
    },
    {
      ...common,
      id: activateStep(intent),
      action: 'activate',
      site: intent.to,
      phase: 'PROMOTE',
      needs: [],
      irreversible: true,
      parameters: { site: intent.to },
      title: `Point of no return: the witness names ${intent.to} as the active site, if the record is unchanged since the lock`,
    },
    {
      ...common,
      id: 'witness.close',
      action: 'close',
      phase: 'CLOSED',
      needs: [],
      irreversible: false,
      title: 'Releases the lock',
    },
  ]
}
