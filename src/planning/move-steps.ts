import { StandbyError } from '../errors.ts'
import type { Observation } from '../observation/observation.ts'
import type { Stack } from '../stack/stack.ts'
import type { Driver } from './driver.ts'
import { orderProblems } from './order-steps.ts'
import { type Intent, PHASES, type PlannedStep } from './plan.ts'
import { activateStep, witnessSteps } from './witness-steps.ts'

/** The steps of a move: the core's own and those of every component. Throws `plan-defect` when they do not fit together. Pure. */
export function moveSteps(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): PlannedStep[] {
  const ask = (hook: 'move' | 'fence' | 'rejoin'): PlannedStep[] =>
    stack.components.flatMap(
      (component) => drivers[component.driver]?.[hook]?.(component, observation.components[component.name] ?? {}, intent, stack) ?? [],
    )
  const fences = intent.mode === 'failover' && observation.sites[intent.from]?.kind === 'answering' ? ask('fence') : []
  const others = ask(intent.mode === 'rejoin' ? 'rejoin' : 'move')
  const steps = [...witnessSteps(intent), ...fences, ...others.map((step) => behindPointOfNoReturn(step, intent))]
  const problems = [...orderProblems(steps), ...lateFences(steps), ...(intent.mode === 'failover' ? onLostSite(others, intent) : [])]
  if (problems.length === 0) return steps
  throw new StandbyError({
    code: 'plan-defect',
    mustAct: 'defect',
    what: `the steps of this move do not fit together: ${problems.join('; ')}`,
  })
}

/** Nothing is promoted before the witness names the new active site. */
function behindPointOfNoReturn(step: PlannedStep, intent: Intent): PlannedStep {
  return step.phase === 'PROMOTE' && step.mayBeginIn === undefined && intent.mode !== 'rejoin'
    ? { ...step, needs: [...step.needs, activateStep(intent)] }
    : step
}

/** A fence that is shut after the promotion shuts nothing. */
const lateFences = (steps: readonly PlannedStep[]): string[] =>
  steps
    .filter((step) => step.fence !== undefined && PHASES.indexOf(step.phase) >= PHASES.indexOf('PROMOTE'))
    .map((step) => `${step.id} fences in ${step.phase}, after the promotion`)

/** A failover rests on nothing of the lost site. */
const onLostSite = (steps: readonly PlannedStep[], intent: Intent): string[] =>
  steps.filter((step) => step.site === intent.from).map((step) => `${step.id} acts on the lost site ${intent.from}`)
