import { UNKNOWN_LOSS } from '../domain/accepted-loss.ts'
import type { Loss, Plan } from '../domain/plan.ts'
import { canonicalJson, type Json } from '../values/json.ts'
import type { PlanDifference } from './plan-difference.ts'

/** Clocks of two observations, and figures that are rounded up. */
const ROUNDING_SECONDS = 60

/**
 * Whether a person was shown a smaller loss than there was. In good order it is compared word for word, but for the
 * time of the observation. What a failover loses is measured: of a silent site it grows by a second each second, and no
 * faster, because what has been shipped stays shipped. So a figure that is smaller than that of now, without the time
 * that has passed, was never measured. What binds beside it is the accepted loss, by which the loss is judged anew. Not
 * held: what a lost site that still answers goes on to write (`bytes` is a number then, and says that it grows), and
 * what a person has accepted without any bound. Pure.
 */
export function lossThatDiffers(approved: Plan, now: Plan): PlanDifference[] {
  const [was, is] = [approved.predictions.loss, now.predictions.loss]
  if (approved.intent.mode !== 'failover') {
    const [before, after] = [withoutTime(was, approved.madeAt), withoutTime(is, now.madeAt)]
    return before === after ? [] : [{ where: 'predictions.loss', planned: before, now: after }]
  }
  if (is.bytes[1] !== null || approved.intent.acceptLoss === UNKNOWN_LOSS) return []
  const passed = Math.max(0, (Date.parse(now.madeAt) - Date.parse(approved.madeAt)) / 1_000) + ROUNDING_SECONDS
  const covers = (planned: number | null, seconds: number | null): boolean =>
    planned === null || (seconds !== null && seconds - passed <= planned)
  const differs = (name: 'seconds' | 'bytes' | 'likely'): PlanDifference => ({
    where: `predictions.loss.${name}`,
    planned: canonicalJson((was[name] ?? null) as Json),
    now: canonicalJson((is[name] ?? null) as Json),
  })
  return [
    ...(covers(was.seconds[1], is.seconds[1]) ? [] : [differs('seconds')]),
    // Of a silent site the number was unknown.
    ...(was.bytes[1] === null ? [] : [differs('bytes')]),
    ...(covers(was.likely ?? null, is.likely ?? is.seconds[1]) ? [] : [differs('likely')]),
  ]
}

const withoutTime = (loss: Loss, madeAt: string): string =>
  canonicalJson({ ...loss, why: loss.why.replaceAll(madeAt, '…') } as unknown as Json)

/**
 * What follows from the plan itself, and not from a look at the sites: each group is named by one of its codes, or by
 * none.
 */
const OF_THE_PLAN: readonly (readonly string[])[] = [['self-fencing-not-awaited'], ['loss-unknown', 'loss-measured']]

/**
 * Whether a warning was taken out, or put in, that the planner gives by steps, fencing and accepted loss alone. Pure.
 */
export function warningsThatDiffer(approved: Plan, now: Plan): PlanDifference[] {
  const names = ({ findings }: Plan, codes: readonly string[]): boolean =>
    findings.some(({ code }) => codes.includes(code))
  const shown = (has: boolean): string => (has ? 'there' : 'not there')
  return OF_THE_PLAN.filter((codes) => names(approved, codes) !== names(now, codes)).map((codes) => ({
    where: `the finding ${codes.join(' or ')}`,
    planned: shown(names(approved, codes)),
    now: shown(names(now, codes)),
  }))
}
