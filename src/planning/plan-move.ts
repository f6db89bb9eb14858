import type { Milliseconds } from '../duration.ts'
import { inputError, StandbyError } from '../errors.ts'
import type { Observation } from '../observation/observation.ts'
import type { Stack } from '../stack/stack.ts'
import type { Driver } from './driver.ts'
import { factsOf } from './facts.ts'
import { findingsOf } from './findings.ts'
import { orderProblems, schedule } from './order-steps.ts'
import type { Intent, Phase, Plan, PlannedStep, Predictions } from './plan.ts'
import { activateStep, witnessSteps } from './witness-steps.ts'

/** What makes a plan unique; comes in as values, so that planning stays pure. */
export interface PlanIdentity {
  readonly id: string
  readonly nonce: string
  readonly toolVersion: string
  readonly madeIn?: string
}

/** The plan of a move: its steps, the facts that it rests on, and what is predicted. Pure; blockers are in its findings. */
export function planMove(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
  identity: PlanIdentity,
): Plan {
  const steps = stepsOfMove(stack, observation, intent, drivers)
  const madeAt = observation.at
  return {
    schemaVersion: 1,
    id: identity.id,
    stack: { name: stack.name, digest: stack.source.digest },
    tool: { name: 'standby', version: identity.toolVersion },
    intent,
    epoch: observation.witness.kind === 'answering' ? (observation.witness.active?.epoch ?? 0) : 0,
    madeAt,
    ...(identity.madeIn === undefined ? {} : { madeIn: identity.madeIn }),
    expiresAt: new Date(Date.parse(madeAt) + stack.approval.expiry).toISOString(),
    nonce: identity.nonce,
    facts: factsOf(observation),
    findings: findingsOf(stack, observation, intent, drivers),
    steps,
    predictions: predict(steps, observation, intent),
  }
}

/** The intent behind a request: from the active site to the named one. Throws what the requester can mend. */
export function intentOf(stack: Stack, observation: Observation, request: { readonly to: string; readonly from?: string }): Intent {
  const to = stack.sites.find((site) => site.name === request.to)?.name
  if (to === undefined)
    throw inputError('unknown-site', `${stack.name} has no site ${request.to}`, {
      next: `Name one of ${stack.sites.map((site) => site.name).join(', ')}.`,
    })
  const activeSite = observation.witness.kind === 'answering' ? observation.witness.active?.activeSite : undefined
  const from = stack.sites.find((site) => site.name === (activeSite ?? stack.initialActive))?.name
  if (from === undefined) throw inputError('active-site-undeclared', `the stack file does not declare the active site ${activeSite}`)
  if (request.from !== undefined && request.from !== from)
    throw inputError('not-the-active-site', `${request.from} is not the active site of ${stack.name}: ${from} is`)
  if (from === to)
    throw inputError('already-active', `${to} is the active site of ${stack.name} already`, { next: 'Nothing needs to be done.' })
  return { mode: 'switchover', from, to }
}

function stepsOfMove(stack: Stack, observation: Observation, intent: Intent, drivers: Readonly<Record<string, Driver>>): PlannedStep[] {
  const ofComponents = stack.components.flatMap(
    (component) => drivers[component.driver]?.move?.(component, observation.components[component.name] ?? {}, intent, stack) ?? [],
  )
  const steps = [...witnessSteps(intent), ...ofComponents.map((step) => behindPointOfNoReturn(step, intent))]
  const problems = orderProblems(steps)
  if (problems.length > 0)
    throw new StandbyError({
      code: 'plan-defect',
      mustAct: 'defect',
      what: `the steps of this move do not fit together: ${problems.join('; ')}`,
    })
  return steps
}

/** Nothing is promoted before the witness names the new active site. */
function behindPointOfNoReturn(step: PlannedStep, intent: Intent): PlannedStep {
  return step.phase === 'PROMOTE' && step.mayBeginIn === undefined ? { ...step, needs: [...step.needs, activateStep(intent)] } : step
}

/** Writes are refused from the first closed door to the opened traffic. */
function predict(steps: readonly PlannedStep[], observation: Observation, intent: Intent): Predictions {
  const times = schedule(steps)
  const endOf = (phase: Phase): Milliseconds =>
    Math.max(0, ...steps.filter((step) => step.phase === phase).map((step) => times.get(step.id)?.ends ?? 0))
  const beginOf = (phase: Phase): Milliseconds =>
    Math.min(...steps.filter((step) => step.phase === phase).map((step) => times.get(step.id)?.begins ?? 0))
  const served = endOf('TRAFFIC')
  const closed = [beginOf('DRAIN'), beginOf('FENCE'), served].find((time) => Number.isFinite(time)) ?? served
  return {
    duration: Math.max(0, ...[...times.values()].map((time) => time.ends)),
    writeGap: served - closed,
    loss: {
      bytes: [0, 0],
      seconds: [0, 0],
      why: `${intent.from} is stopped and its last write is replayed on ${intent.to} before ${intent.to} is promoted (observed ${observation.at})`,
    },
  }
}
