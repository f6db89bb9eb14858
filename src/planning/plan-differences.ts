import type { Plan, PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { variesIn, varyingTitleOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Varies } from '../driver/varying.ts'
import { canonicalJson, isObject, type Json, type JsonObject } from '../values/json.ts'
import type { PlanDifference } from './plan-difference.ts'
import { lossThatDiffers, warningsThatDiffer } from './predictions-that-differ.ts'

/**
 * What two plans of the same move may say differently, and why. Everything else decides, and must be the same: also a
 * field that this version does not know. A driver adds the parameters of its own steps that vary ({@link
 * Driver.varying}); a title may be another one only as the planner says them in it ({@link Driver.varyingTitles}).
 */
export const MAY_DIFFER: Readonly<Record<string, string>> = {
  id: 'identity: the plan that is made anew borrows it',
  nonce: 'identity: burnt at the lock',
  madeAt: 'identity: planDefects judges it, and the expiry that it begins',
  madeIn: 'identity: the approval judges it',
  expiresAt: 'planDefects holds it to madeAt and the expiry of the stack',
  facts: 'staleFacts compares them, each with its own tolerance',
  findings:
    'judged anew: what stands against the move now refuses it; what is only a warning comes and goes, is said at execution, and is held to where it follows from the plan itself (predictions-that-differ.ts)',
  'liveness.is':
    'only whether the site is seen alive decides: the fact "seen alive" says so, and planDefects holds this to it',
  'liveness.sightings': 'who sees the site changes from look to look; planDefects holds the verdict to them',
  'predictions.duration': 'planDefects holds it to the times of the steps',
  'predictions.writeGap': 'planDefects holds it to the times of the steps',
  'predictions.learned':
    'what the times rest on: a witness that is slow, or holds a damaged record, teaches less, and no move depends on that',
  'predictions.loss': 'lossThatDiffers compares it: that of a failover is measured, and grows while people decide',
}
/** Of a step, where former runs have taught times: nothing is decided by one. */
const LEARNED = ['expected']

/**
 * What an approved plan says otherwise than the plan of the same intent that is made anew, step by step and field by
 * field. Empty: whatever decides is what the planner would decide now. Facts and findings are judged elsewhere. Pure.
 */
export function planDifferences(
  approved: Plan,
  now: Plan,
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
): PlanDifference[] {
  const excused = new Set([...Object.keys(MAY_DIFFER), 'steps'])
  const taught = approved.predictions.learned.runs > 0
  const { steps: planned, ...rest } = approved
  const { steps: anew, ...restNow } = now
  return [
    ...fieldsThatDiffer('', rest as unknown as JsonObject, restNow as unknown as JsonObject, (path) =>
      excused.has(path),
    ),
    ...lossThatDiffers(approved, now),
    ...warningsThatDiffer(approved, now),
    ...stepsThatDiffer(planned, anew, (step) => varyingOf(step, stack, drivers), approved.madeAt, taught),
  ]
}

/** What of a step may vary, by its driver. */
interface Varying {
  readonly parameters: Readonly<Record<string, Varies>>
  /** What the planner would call a step with these parameters; null where no title says what varies. */
  title(step: PlannedStep): string | null
}
type VaryingOf = (step: PlannedStep) => Varying

function varyingOf(
  { component, action }: PlannedStep,
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
): Varying {
  const declared = stack.components.find(({ name }) => name === component)
  if (declared === undefined) return { parameters: {}, title: () => null }
  const driver = drivers[declared.driver]
  return {
    parameters: variesIn(driver, action),
    title: (step) => varyingTitleOf(driver, declared, step),
  }
}

function stepsThatDiffer(
  planned: readonly PlannedStep[],
  now: readonly PlannedStep[],
  varying: VaryingOf,
  madeAt: string,
  taught: boolean,
): PlanDifference[] {
  const [before, after] = [byId(planned), byId(now)]
  const gone = planned
    .filter(({ id }) => !after.has(id))
    .map(({ id }) => ({ where: `step ${id}`, planned: 'a step', now: 'none' }))
  const missing = now
    .filter(({ id }) => !before.has(id))
    .map(({ id }) => ({ where: `step ${id}`, planned: 'missing', now: 'a step' }))
  const changed = now.flatMap((step) => {
    const was = before.get(step.id)
    return was === undefined ? [] : stepThatDiffers(was, step, varying(step), madeAt, taught)
  })
  const found = [...gone, ...missing, ...changed]
  if (found.length > 0) return found
  // Their order is the order in which components are taken back.
  const [order, orderNow] = [planned, now].map((steps) => steps.map(({ id }) => id).join(', '))
  return order === orderNow ? [] : [{ where: 'the order of steps', planned: order ?? '', now: orderNow ?? '' }]
}

function stepThatDiffers(
  planned: PlannedStep,
  now: PlannedStep,
  varying: Varying,
  madeAt: string,
  taught: boolean,
): PlanDifference[] {
  const asSets = (step: PlannedStep): JsonObject =>
    ({ ...step, needs: [...new Set(step.needs)].sort() }) as unknown as JsonObject
  const moved = Object.entries(varying.parameters).filter(
    ([name, varies]) =>
      canonical(planned.parameters[name]) !== canonical(now.parameters[name]) &&
      varies(planned.parameters[name], now.parameters[name], madeAt),
  )
  // A wait by time takes as long as it is declared, whatever former runs took.
  const times = taught && now.byTime !== true ? LEARNED : []
  const excused = new Set([...times, ...moved.map(([name]) => `parameters.${name}`)])
  const title = (moved.length > 0 ? varying.title(planned) : null) ?? now.title
  return fieldsThatDiffer('', asSets(planned), asSets({ ...now, title }), (path) => excused.has(path)).map((one) => ({
    ...one,
    where: `step ${now.id}, ${one.where}`,
  }))
}

/** Every field of either side that is not the same on both; mappings are gone into, lists are compared whole. */
function fieldsThatDiffer(
  path: string,
  planned: JsonObject,
  now: JsonObject,
  isExcused: (path: string) => boolean,
): PlanDifference[] {
  const names = [...new Set([...Object.keys(now), ...Object.keys(planned)])]
  return names.flatMap((name): PlanDifference[] => {
    const at = path === '' ? name : `${path}.${name}`
    const [before, after] = [ownOf(planned, name), ownOf(now, name)]
    if (isExcused(at) || canonical(before) === canonical(after)) return []
    if (isObject(before) && isObject(after)) return fieldsThatDiffer(at, before, after, isExcused)
    return [{ where: at, planned: shown(before), now: shown(after) }]
  })
}

const ownOf = (value: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(value, name) ? value[name] : undefined
const canonical = (value: Json | undefined): string => (value === undefined ? '' : canonicalJson(value))
const shown = (value: Json | undefined): string => (value === undefined ? 'not there' : canonicalJson(value))
const byId = (steps: readonly PlannedStep[]): ReadonlyMap<string, PlannedStep> =>
  new Map(steps.map((step) => [step.id, step]))
