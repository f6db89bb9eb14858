import { isAcceptedLoss } from '../domain/accepted-loss.ts'
import { reaches } from '../domain/fence-levels.ts'
import {
  changesActiveSite,
  leavesLostSite,
  MODES,
  PHASES,
  type Phase,
  type Plan,
  type PlannedStep,
  siteInQuestion,
} from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { actionOf, hasSelfFencing } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, minutes, readableDuration } from '../values/duration.ts'
import { canonicalJson, type Json } from '../values/json.ts'
import { withBestEffort } from './best-effort.ts'
import { fenceLevels, levelsByTime } from './fence-coverage.ts'
import { followerProblems, isOfFollower } from './followers.ts'
import { verdictOf } from './liveness.ts'
import { orderProblems } from './order-steps.ts'
import { parameterDefects } from './parameter-defects.ts'
import { planCommand } from './plan-command.ts'
import { shapeDefects } from './plan-shape.ts'
import { predictedTimes } from './predicted-times.ts'
import { requiredFence } from './required-fence.ts'
import { activateStep, WITNESS, witnessSteps } from './witness-steps.ts'

/** What surrounds a plan that is judged by its own structure: no site, no witness. */
export interface PlanJudgement {
  /** The stack file that the plan was made of: another one says nothing about it. */
  readonly stack: Stack
  readonly drivers: Readonly<Record<string, Driver>>
  readonly now: Date
}

/** The clocks of two machines are not one. */
const SKEW: Milliseconds = minutes(5)

/**
 * The defects in a plan's own structure: such a plan must not be signed, and is not executed. A plan is a file that
 * anyone may have edited. Whether it is what the planner would make now is for `planDifferences` to say, where the
 * sites can be asked. Pure. Empty: no defect is seen.
 */
export function planDefects(plan: Plan, judgement: PlanJudgement): string[] {
  const broken = shapeDefects(plan)
  // Without its form nothing else of it can be judged.
  if (broken.length > 0) return broken
  const { steps } = plan
  const found = [
    ...intentDefects(plan, judgement.stack),
    ...timeDefects(plan, judgement),
    ...steps.flatMap((step) => stepDefects(step, judgement)),
    ...orderProblems(steps),
    ...witnessDefects(plan),
    ...predictedTimesDefects(plan),
    ...followerProblems(
      steps.filter((step) => isOfFollower(step, plan.intent)),
      judgement.stack,
      plan.intent,
    ),
  ]
  return found.length > 0
    ? found
    : [...fencingDefects(plan, judgement), ...promotionDefects(plan), ...livenessDefects(plan)]
}

/** Throws `plan-defect`, naming every defect, and the way out of a `run` that was begun with this plan. */
export function refuseDefective(plan: Plan, judgement: PlanJudgement, run: string | null = null): void {
  const defects = planDefects(plan, judgement)
  if (defects.length === 0) return
  const again = MODES.includes(plan.intent?.mode) ? planCommand(plan.intent) : 'standby failover plan'
  throw new StandbyError({
    code: 'plan-defect',
    mustAct: 'approval',
    what: `the plan must not be signed or executed: ${defects.join('; ')}`,
    next:
      run === null
        ? `Nothing was changed. Do not trust this file. Make a new plan: ${again}`
        : `Nothing was changed now. Find out who changed the plan of run ${run}, and take the run back: standby failover abort --run ${run}`,
  })
}

function intentDefects({ intent }: Plan, stack: Stack): string[] {
  const { mode, from, to, acceptLoss } = intent
  const undeclared = [from, to].filter((site) => !stack.sites.some(({ name }) => name === site))
  return [
    ...undeclared.map((site) => `${stack.name} has no site ${site}`),
    ...((from === to) === (mode === 'reopen') ? [] : [`a ${mode} from ${from} to ${to} is none`]),
    ...(acceptLoss === undefined || (mode === 'failover' && isAcceptedLoss(acceptLoss))
      ? []
      : [`a ${mode} does not accept a loss of ${String(acceptLoss)}`]),
  ]
}

function timeDefects({ madeAt, expiresAt }: Plan, { stack, now }: PlanJudgement): string[] {
  const [made, expires] = [Date.parse(madeAt), Date.parse(expiresAt)]
  if (!isInstant(madeAt) || Number.isNaN(made)) return [`it was made at ${String(madeAt)}, which is no time`]
  if (!isInstant(expiresAt) || Number.isNaN(expires)) return [`it expires at ${String(expiresAt)}, which is no time`]
  const { expiry } = stack.approval
  return [
    ...(made > now.getTime() + SKEW
      ? [`it says that it was made at ${madeAt}, and now it is ${now.toISOString()}`]
      : []),
    ...(expires === made + expiry
      ? []
      : [`it expires at ${expiresAt}; made at ${madeAt}, it holds for ${readableDuration(expiry)} (approval.expiry)`]),
  ]
}

function stepDefects(step: PlannedStep, { stack, drivers }: PlanJudgement): string[] {
  const { id, component, action, site, deadline } = step
  const ownName = `${component}.${action}`
  const bad = (what: string): string => `step ${id} ${what}`
  const named = id === ownName || id.startsWith(`${ownName}@`) ? [] : [bad(`is ${action} of ${component}`)]
  const placed =
    site === null || stack.sites.some(({ name }) => name === site)
      ? []
      : [bad(`acts on ${site}, which the stack file does not declare`)]
  const bounded = deadline > 0 && Number.isFinite(deadline) ? [] : [bad('has no deadline')]
  if (component === WITNESS) return [...named, ...placed, ...bounded]
  const declared = stack.components.find(({ name }) => name === component)
  const driver = declared === undefined ? undefined : drivers[declared.driver]
  const known = actionOf(driver, action)
  return [
    ...named,
    ...placed,
    ...bounded,
    ...(declared === undefined ? [bad(`is of ${component}, which the stack file does not declare`)] : []),
    ...(declared !== undefined && known === undefined
      ? [bad(`asks for ${action}, which ${declared.driver} does not do`)]
      : []),
    ...(known === undefined ? [] : parameterDefects(step, known).map((defect) => bad(`has wrong ${defect}`))),
    ...(step.byTime === true && !hasSelfFencing(driver) ? [bad('calls itself a fence by time')] : []),
  ]
}

/** The core's own steps are the same in every plan of a move. */
function witnessDefects({ intent, steps }: Plan): string[] {
  const expected = new Map(witnessSteps(intent).map((step) => [step.id, step]))
  const own = steps.filter(({ component }) => component === WITNESS)
  // Times are learned, and a need more is judged with the order of all steps.
  const essence = ({ expected: _, needs: __, ...rest }: PlannedStep): string => canonicalJson(rest as unknown as Json)
  return [
    ...[...expected.keys()]
      .filter((id) => !own.some((step) => step.id === id))
      .map((id) => `the step ${id} is missing`),
    ...own.flatMap((step) => {
      const meant = expected.get(step.id)
      if (meant === undefined) return [`step ${step.id} is none of a ${intent.mode}`]
      return essence(step) === essence(meant) && step.needs.length === 0
        ? []
        : [`step ${step.id} is not as every plan has it`]
    }),
  ]
}

/** The times that a reviewer reads first are those of the steps, and say how many former runs they rest on. */
function predictedTimesDefects({ predictions, steps, intent }: Plan): string[] {
  // Steps that cannot be put in order have no times.
  if (orderProblems(steps).length > 0) return []
  const { runs, steps: known } = predictions.learned
  const times = predictedTimes(steps, intent)
  const wrong = (['duration', 'writeGap'] as const).filter((name) => predictions[name] !== times[name])
  return [
    ...wrong.map((name) => `its ${name} is ${predictions[name]} ms, and its steps take ${times[name]} ms`),
    ...(known <= steps.length && (runs === 0) === (known === 0)
      ? []
      : [`its times rest on ${runs} former runs for ${known} of its ${steps.length} steps`]),
  ]
}

/** What must be shut is shut by a step, in time, and for certain. */
function fencingDefects(plan: Plan, { stack, drivers }: PlanJudgement): string[] {
  const { fencing, intent, steps, liveness } = plan
  const required = requiredFence(stack, intent, liveness, drivers)
  const byStep = fenceLevels(steps)
  const claimed = fencing.planned.filter((level) => !byStep.includes(level))
  const certain = fenceLevels(steps.filter(({ bestEffort }) => bestEffort === undefined)).filter((level) =>
    fencing.planned.includes(level),
  )
  const unseen = levelsByTime(steps).filter(
    (level) => fencing.planned.includes(level) && fencing.byTime?.includes(level) !== true,
  )
  const late = steps.filter(
    ({ fence, byTime, phase }) => fence !== undefined && byTime !== true && !isBefore(phase, 'PROMOTE'),
  )
  const early = steps.filter(({ byTime, phase }) => byTime === true && phase !== 'PROMOTE')
  const withoutEffort = steps.map(({ bestEffort: _, ...step }) => step)
  const marked = withBestEffort(withoutEffort, fencing, intent)
  const effort = steps.filter(({ bestEffort }, index) => bestEffort !== marked[index]?.bestEffort)
  return [
    ...(fencing.required === required
      ? []
      : [
          `it requires the fence ${fencing.required ?? 'of nothing'}, and this stack requires ${required ?? 'none'} here`,
        ]),
    ...claimed.map((level) => `no step shuts the ${level}, and its fencing says that one does`),
    ...(required === null || reaches(certain, required)
      ? []
      : [`the fence must reach ${required}, and its steps are certain to shut ${certain.join(', ') || 'nothing'}`]),
    ...unseen.map((level) => `the ${level} is shut by time alone, and its fencing does not say so`),
    ...late.map(({ id, phase }) => `step ${id} fences in ${phase}, after the promotion`),
    ...early.map(({ id, phase }) => `step ${id} waits in ${phase} for a fence by time`),
    ...effort.map(({ id }) => `step ${id} is tried for another time than its level allows`),
    ...(leavesLostSite(intent)
      ? steps
          .filter(({ site, fence }) => site === intent.from && fence === undefined)
          .map(({ id }) => `step ${id} acts on the lost site ${intent.from}`)
      : []),
  ]
}

/** No step promotes or is irreversible before the old site is shut out and the witness names the new one. */
function promotionDefects({ intent, steps }: Plan): string[] {
  if (!changesActiveSite(intent))
    return steps
      .filter(({ phase }) => phase === 'PROMOTE')
      .map(({ id }) => `step ${id} promotes, and a ${intent.mode} promotes nothing`)
  const gates = steps.filter((step) => step.id === activateStep(intent) || step.byTime === true)
  const doors = steps.filter(({ fence }) => fence === 'traffic')
  const lacks = (step: PlannedStep, needed: readonly PlannedStep[]): string[] =>
    needed
      .filter(({ id }) => id !== step.id && !step.needs.includes(id))
      .map(({ id }) => `step ${step.id} does not wait for ${id}`)
  return steps.flatMap((step) => {
    if (step.irreversible && isBefore(step.phase, 'PROMOTE'))
      return step.fence === undefined ? [`step ${step.id} cannot be taken back, and comes before the promotion`] : []
    if (step.fence === 'application')
      return lacks(
        step,
        doors.filter(({ phase }) => phase === step.phase),
      )
    if (step.phase !== 'PROMOTE' || step.id === activateStep(intent)) return []
    if (step.mayBeginIn !== undefined) return [`step ${step.id} promotes, and may begin in ${step.mayBeginIn}`]
    return lacks(step, step.byTime === true ? gates.filter(({ byTime }) => byTime !== true) : gates)
  })
}

/** Whether the site lives is decided by those who see it. */
function livenessDefects({ intent, liveness, facts }: Plan): string[] {
  const site = siteInQuestion(intent)
  const is = verdictOf(liveness.sightings)
  const alive = facts.filter((fact) => fact.component === 'sites' && fact.name === 'seen alive')
  const fits = alive.length === 1 && alive[0]?.site === site && alive[0].value === (liveness.is === 'up')
  return [
    ...(liveness.site === site ? [] : [`it says of ${liveness.site} whether it lives, and ${site} is meant`]),
    ...(liveness.is === is ? [] : [`it calls ${site} ${liveness.is}, and those who look at it say ${is}`]),
    ...(fits ? [] : [`its facts do not say whether ${site} is seen alive`]),
  ]
}

const isBefore = (phase: Phase, other: Phase): boolean => PHASES.indexOf(phase) < PHASES.indexOf(other)
const isInstant = (value: string): boolean => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(value)
