import type { Intent, Mode, Plan, PlannedStep } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import { guard } from '../../src/drivers/guard/driver.ts'
import { courseOf } from '../../src/execution/course-of-plan.ts'
import type { Course } from '../../src/execution/run-state.ts'
import type { Observation, SiteView } from '../../src/observation/observation.ts'
import { sequenceOf } from '../../src/planning/order-steps.ts'
import { planMove } from '../../src/planning/plan-move.ts'
import { activateStep, LOCK_STEP } from '../../src/planning/witness-steps.ts'
import type { FlatDriver } from '../support/flat/driver.ts'
import { liftedDriver } from '../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../support/toy-stack.ts'

/** A site of the model: 0 is dc-a, 1 is dc-b. */
export type Place = 0 | 1
export const PLACES: readonly Place[] = [0, 1]
export const nameOf = (place: Place): SiteName => (place === 0 ? 'dc-a' : 'dc-b') as SiteName
export const other = (place: Place): Place => (place === 0 ? 1 : 0)

/** What the steps of the model do; the witness' own three come from the planner. */
export const ACTIONS = [
  'lock',
  'activate',
  'close-lock',
  'stop',
  'close',
  'demote',
  'catch-up',
  'self-fencing',
  'promote',
  'start',
  'open',
  'clone',
  'redirect',
] as const
export type Action = (typeof ACTIONS)[number]

export interface ModelStep {
  readonly planned: PlannedStep
  readonly action: Action
  readonly place: Place
}
export interface ModelPlan {
  readonly plan: Plan
  readonly course: Course
  /** In the order of the plan. */
  readonly steps: readonly ModelStep[]
  readonly from: Place
  readonly to: Place
}

export interface PlanRequest {
  readonly mode: Mode
  readonly from: Place
  /** The epoch in which it was made. */
  readonly epoch: number
  readonly nonce: string
  /**
   * What the stack demands of a failover; `database`, where the lost site does not answer: the planner then
   * waits until its guard has shut it. Default `traffic`.
   */
  readonly fencing?: 'traffic' | 'database'
  /** Whether a third site follows the active one. */
  readonly third?: boolean
  /** Bends the finished steps: a planted bug. */
  readonly bent?: (step: PlannedStep) => PlannedStep
  /** Steps that were taken out of the finished plan, with the demand that they met. */
  readonly without?: (step: PlannedStep) => boolean
}

export const modelStack: Stack = {
  ...toyStack,
  fencing: { switchover: 'database', failover: 'traffic' },
  components: ['database', 'application', 'traffic'].map((name) => ({ name, driver: 'toy', needs: [], spec: {} })),
}
/**
 * As a user declares it: the real driver of the guard says how long it takes to close, and the real planner where that
 * is waited for.
 */
const guarded = (fencing: 'traffic' | 'database', third = false): Stack => ({
  ...modelStack,
  sites: third
    ? [
        ...modelStack.sites,
        { name: 'dc-c' as SiteName, platforms: { kubernetes: { kubeconfig: { env: 'K' }, clusterId: 'uid' } } },
      ]
    : modelStack.sites,
  fencing: { ...modelStack.fencing, failover: fencing },
  components: [...modelStack.components, { name: 'guard', driver: 'guard', needs: [], spec: { closeAfter: '30s' } }],
})

/** The steps of the drivers, reduced to what changes who can write. */
function stepsOf(component: string, { mode, from, to }: Intent): PlannedStep[] {
  if (mode === 'rejoin') return component === 'database' ? [toyStep(`database.clone@${to}`, 'PROTECT')] : []
  const planned = mode === 'switchover'
  if (component === 'application')
    return [
      ...(planned ? [toyStep(`application.stop@${from}`, 'DRAIN', { fence: 'application' })] : []),
      toyStep(`application.start@${to}`, 'START'),
    ]
  if (component === 'traffic')
    return [toyStep('traffic.close', 'DRAIN', { fence: 'traffic' }), toyStep(`traffic.open@${to}`, 'TRAFFIC')]
  return [
    ...(planned
      ? [
          toyStep(`database.demote@${from}`, 'FENCE', { fence: 'database' }),
          toyStep(`database.catch-up@${to}`, 'FINAL_SYNC'),
        ]
      : []),
    toyStep(`database.promote@${to}`, 'PROMOTE', { irreversible: true }),
  ]
}

const modelDriver: FlatDriver = {
  ...toyDriver({ writer: 'dc-a', effects: [] }),
  move: (component, _states, intent) => stepsOf(component.name, intent),
  fence: () => [],
  rejoin: (component, _states, intent) => stepsOf(component.name, intent),
  follow: ({ name }, follower, { mode }) =>
    name === 'database' && mode !== 'rejoin' ? [toyStep(`database.redirect@${follower}`, 'PROTECT')] : [],
}
const modelDrivers: Readonly<Record<string, Driver>> = {
  toy: liftedDriver(modelDriver),
  guard: guard as unknown as Driver,
}

/** A plan as the planner makes it: real phases, real witness steps, real needs. */
export function modelPlan(request: PlanRequest): ModelPlan {
  const { mode, from, epoch } = request
  const to = other(from)
  const at = '2026-11-20T12:00:00.000Z'
  const answering: SiteView = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 1 }
  const silent: SiteView = { kind: 'silent', why: 'no answer', cause: 'no-answer', triedFrom: ['this runner'] }
  const active = { schemaVersion: 1, stack: 'toy', epoch, activeSite: nameOf(from), since: at, run: 'earlier' } as const
  const observation: Observation = {
    at,
    witness: { kind: 'answering', active, lock: null },
    sites: { [nameOf(from)]: mode === 'failover' ? silent : answering, [nameOf(to)]: answering },
    components: {},
  }
  const intent: Intent = {
    mode,
    from: nameOf(from),
    to: nameOf(to),
    ...(mode === 'failover' ? { acceptLoss: 3_600_000 } : {}),
  }
  const identity = { id: `plan-${request.nonce}`, nonce: request.nonce, toolVersion: '0' }
  const stack = guarded(request.fencing ?? 'traffic', request.third)
  const made = planMove(stack, observation, intent, modelDrivers, identity)
  const { bent = (step) => step, without } = request
  const fencing = without === undefined ? made.fencing : { ...made.fencing, required: null }
  const kept = made.steps.filter((step) => without?.(step) !== true)
  const isKept = (id: string): boolean => kept.some((step) => step.id === id)
  const plan: Plan = {
    ...made,
    fencing,
    steps: kept.map((step) => bent({ ...step, needs: step.needs.filter(isKept) })),
  }
  const steps = plan.steps.map(
    (planned): ModelStep => ({ planned, action: actionOf(planned, intent), place: placeOf(planned, to) }),
  )
  sequenceOf(plan.steps)
  return { plan, course: courseOf(plan, stack, modelDrivers), steps, from, to }
}

/** The third site is no place of its own: what matters of its step is the site that it follows afterwards. */
function placeOf({ site, action }: PlannedStep, to: Place): Place {
  if (action === 'redirect') return to
  return site === 'dc-b' ? 1 : 0
}

function actionOf(step: PlannedStep, intent: Intent): Action {
  if (step.id === LOCK_STEP) return 'lock'
  if (step.id === activateStep(intent)) return 'activate'
  if (step.id === 'witness.close') return 'close-lock'
  const found = ACTIONS.find((action) => action === step.action)
  if (found === undefined) throw new Error(`the model knows no ${step.id}`)
  return found
}
