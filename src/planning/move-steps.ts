import type { FenceLevel } from '../domain/fence-levels.ts'
import { changesActiveSite, type Intent, type Mode, PHASES, type PlannedStep, type StepId } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import { StandbyError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { toShutOf } from './fence-coverage.ts'
import { followerProblems, followerSteps } from './followers.ts'
import { orderProblems } from './order-steps.ts'
import { selfFencingOf, selfFencingSteps } from './self-fencing.ts'
import { activateStep, witnessSteps } from './witness-steps.ts'

/**
 * The steps of a move: the core's own, those of every component, and what the other passive sites do in the end;
 * `required` is the level of the fence that they must reach. Throws `plan-defect` when they do not fit together. Pure.
 */
export function moveSteps(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  required: FenceLevel | null,
): PlannedStep[] {
  const ask = (hook: 'move' | 'fence' | 'rejoin' | 'reopen'): PlannedStep[] =>
    stack.components.flatMap(
      (component) =>
        drivers[component.driver]?.[hook]?.(component, observation.components[component.name] ?? {}, intent, stack) ??
        [],
    )
  const fences = intent.mode === 'failover' && observation.sites[intent.from]?.kind === 'answering' ? ask('fence') : []
  const others = ask(HOOKS[intent.mode])
  const shutting = [...fences, ...others]
  const toShut = toShutOf(stack, observation, intent, drivers, shutting)
  const waits = selfFencingSteps(
    selfFencingOf(stack, observation, intent, drivers, shutting),
    required,
    shutting,
    toShut,
  )
  const gates = changesActiveSite(intent) ? [activateStep(intent)] : []
  const followers = followerSteps(stack, intent, drivers)
  const steps = doorsFirst([
    ...witnessSteps(intent),
    ...fences,
    ...waits.map((step) => behind(gates, step)),
    ...others.map((step) => behind([...gates, ...waits.map(({ id }) => id)], step)),
    ...followers,
  ])
  const rested = intent.mode === 'failover' ? onLostSite([...others, ...waits], intent) : []
  const problems = [
    ...orderProblems(steps),
    ...lateFences(shutting),
    ...rested,
    ...followerProblems(followers, stack, intent),
  ]
  if (problems.length === 0) return steps
  throw new StandbyError({
    code: 'plan-defect',
    mustAct: 'defect',
    what: `the steps of this move do not fit together: ${problems.join('; ')}`,
  })
}

/** What each mode asks a component for. */
const HOOKS = { switchover: 'move', failover: 'move', rejoin: 'rejoin', reopen: 'reopen' } as const satisfies Record<
  Mode,
  string
>

/**
 * Nothing is promoted before the witness names the new active site, and before the old one had the time to shut itself,
 * where that is waited for.
 */
function behind(gates: readonly StepId[], step: PlannedStep): PlannedStep {
  return step.phase === 'PROMOTE' && step.mayBeginIn === undefined
    ? { ...step, needs: [...step.needs, ...gates] }
    : step
}

/**
 * Users are shut out before what serves them stops: a session on a server that is gone hangs in its load balancer, and
 * its user learns nothing.
 */
function doorsFirst(steps: readonly PlannedStep[]): PlannedStep[] {
  const doors = steps.filter(({ fence }) => fence === 'traffic')
  return steps.map((step) =>
    step.fence === 'application'
      ? { ...step, needs: [...step.needs, ...doors.filter(({ phase }) => phase === step.phase).map(({ id }) => id)] }
      : step,
  )
}

/**
 * A fence that is shut after the promotion shuts nothing; and time is no fence but in front of every promotion, where
 * `selfFencing.ts` puts it.
 */
const lateFences = (steps: readonly PlannedStep[]): string[] =>
  steps.flatMap((step) => {
    if (step.byTime === true) return [`${step.id} calls itself a fence by time`]
    const late = step.fence !== undefined && PHASES.indexOf(step.phase) >= PHASES.indexOf('PROMOTE')
    return late ? [`${step.id} fences in ${step.phase}, after the promotion`] : []
  })

/** A failover rests on nothing of the lost site. */
const onLostSite = (steps: readonly PlannedStep[], intent: Intent): string[] =>
  steps.filter((step) => step.site === intent.from).map((step) => `${step.id} acts on the lost site ${intent.from}`)
