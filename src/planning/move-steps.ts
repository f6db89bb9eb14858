import {
  changesActiveSite,
  type Intent,
  leavesLostSite,
  PHASES,
  type PlannedStep,
  type StepId,
} from '../domain/plan.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { followerProblems } from './followers.ts'
import type { MoveAssessment } from './move-assessment.ts'
import { orderProblems } from './order-steps.ts'
import { activateStep, witnessSteps } from './witness-steps.ts'

/**
 * The steps of a move: those of the witness, of every component, and of the other passive sites. Throws `plan-defect`
 * when they do not fit together. Pure.
 */
export function stepsOfMove({ stack, intent, planned }: MoveAssessment): PlannedStep[] {
  const { fences, main, waits, followers } = planned
  const returns = changesActiveSite(intent) ? [activateStep(intent)] : []
  const promotionGates = [...returns, ...waits.map(({ id }) => id)]
  const steps = doorsFirst([
    ...witnessSteps(intent),
    ...fences,
    ...waits.map((step) => promotedAfter(returns, step)),
    ...main.map((step) => promotedAfter(promotionGates, step)),
    ...followers,
  ])
  const problems = [
    ...orderProblems(steps),
    ...lateFences([...fences, ...main]),
    ...(leavesLostSite(intent) ? onLostSite([...main, ...waits], intent) : []),
    ...followerProblems(followers, stack, intent),
  ]
  if (problems.length === 0) return steps
  throw new StandbyError({
    code: 'plan-defect',
    mustAct: 'defect',
    what: `the steps of this move do not fit together: ${problems.join('; ')}`,
  })
}

/**
 * A promotion waits until the witness names the new active site, and until the old one had the time to shut itself,
 * where the plan waits for that.
 */
function promotedAfter(gates: readonly StepId[], step: PlannedStep): PlannedStep {
  const isGated = step.phase === 'PROMOTE' && step.mayBeginIn === undefined
  return isGated ? { ...step, needs: [...step.needs, ...gates] } : step
}

/**
 * Closes traffic before the application stops: a session on a stopped server hangs in its load balancer, and its user
 * gets no answer.
 */
function doorsFirst(steps: readonly PlannedStep[]): PlannedStep[] {
  const doors = steps.filter(({ fence }) => fence === 'traffic')
  return steps.map((step) => {
    if (step.fence !== 'application') return step
    const before = doors.filter(({ phase }) => phase === step.phase).map(({ id }) => id)
    return { ...step, needs: [...step.needs, ...before] }
  })
}

/**
 * A fence after the promotion shuts nothing in time. The only fence by time is the wait before every promotion, which
 * the core places (`self-fencing.ts`).
 */
const lateFences = (steps: readonly PlannedStep[]): string[] =>
  steps.flatMap((step) => {
    if (step.byTime === true) return [`${step.id} calls itself a fence by time`]
    const late = step.fence !== undefined && PHASES.indexOf(step.phase) >= PHASES.indexOf('PROMOTE')
    return late ? [`${step.id} fences in ${step.phase}, after the promotion`] : []
  })

/** A failover or a follow depends on nothing of the lost site. */
const onLostSite = (steps: readonly PlannedStep[], intent: Intent): string[] =>
  steps.filter((step) => step.site === intent.from).map((step) => `${step.id} acts on the lost site ${intent.from}`)
