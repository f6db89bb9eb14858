import type { Verdict } from '../../src/witness/journal.ts'
import { PLACES } from './model-plans.ts'
import type { Model } from './scenario.ts'
import { type Effect, serves, wouldWrite } from './sites.ts'
import * as W from './world-state.ts'

/** What is wrong with a world as it is; null: nothing. */
export function brokenIn(model: Model, world: W.WorldState): string | null {
  const writers = PLACES.filter((place) => wouldWrite(model, world, place))
  if (writers.length > 1) return 'two sites accept writes'
  const acknowledged = W.get(world, W.ACKNOWLEDGED)
  if (writers.some((place) => (acknowledged & ~W.get(world, W.DATA + place)) !== 0))
    return 'an acknowledged write is lost'
  const [follows, third] = [W.get(world, W.THIRD_FOLLOWS), W.get(world, W.THIRD_DATA)]
  if (follows === W.get(world, W.ACTIVE) && parted(model, world, third))
    return 'the third site is to follow a history that it has parted from'
  return abortStays(model, world)
}

/** What it holds beyond the site that it follows, once that one is a primary by a failover: it can never follow it. */
const parted = (model: Model, world: W.WorldState, third: number): boolean => {
  const active = W.get(world, W.ACTIVE)
  return (
    model.scenario.plans.some((plan) => plan.third === true) &&
    W.get(world, W.DATABASE + active) === W.PRIMARY &&
    (third & ~W.get(world, W.DATA + active)) !== 0
  )
}

/** What a run brought back stays back, until another run begins. */
function abortStays(model: Model, world: W.WorldState): string | null {
  if (model.scenario.outages > 0 || W.get(world, W.LOCK) !== W.RELEASED) return null
  const run = W.get(world, W.ACTIVE_RUN) - 1
  if (run < 0 || model.tableOf(run).journalView(W.get(world, W.JOURNAL + run)).ended !== 'undone') return null
  const { from } = model.planOf(run)
  return W.get(world, W.ACTIVE) === from && wouldWrite(model, world, from)
    ? null
    : 'a run was undone, and the old site does not serve'
}

/** What is wrong with an end: "moved" and "undone" are promises. */
export function brokenByEnd(
  model: Model,
  world: W.WorldState,
  process: number,
  run: number,
  verdict: Verdict,
): string | null {
  if (verdict === 'stopped' && W.get(world, W.HAS_ERROR + process) !== 1) return 'a run stops, and names no reason'
  if (verdict !== 'moved' && onlyThirdLeft(model)) return 'a third site holds up a move'
  if (verdict === 'stopped') return null
  const { plan, from, to } = model.planOf(run)
  const { scenario } = model
  const epoch = plan.epoch + 1
  const current = W.get(world, W.EPOCH) === epoch && W.get(world, W.ACTIVE_RUN) === run + 1
  if (scenario.outages > 0 || !current || plan.intent.mode === 'rejoin') return null
  if (verdict === 'undone' && W.get(world, W.HOLDER) !== process + 1) return null
  const place = verdict === 'moved' ? to : from
  const alone = scenario.processes.length === 1 && scenario.delays === 0
  const kept =
    W.get(world, W.ACTIVE) === place && (alone ? serves(model, world, place) : wouldWrite(model, world, place))
  return kept
    ? null
    : `a run ends as ${verdict}, and ${verdict === 'moved' ? 'the new' : 'the old'} site does not serve`
}

/** Nothing can go wrong but that the third site is away. */
const onlyThirdLeft = ({ scenario }: Model): boolean =>
  scenario.thirdOutages !== undefined &&
  scenario.crashes + scenario.faults + scenario.delays + scenario.outages === 0 &&
  scenario.runs.length === 1

/** What happened between two worlds that must never happen. */
export function brokenBetween(before: W.WorldState, after: W.WorldState): string | null {
  return W.get(after, W.EPOCH) < W.get(before, W.EPOCH) ? 'the epoch shrinks' : null
}

/** No effect reaches a site before its run has burnt its plan's nonce. */
export function unapproved(model: Model, world: W.WorldState, { run }: Effect): boolean {
  const nonces = [...new Set(model.plans.map((one) => one.plan.nonce))]
  return W.get(world, W.NONCE + nonces.indexOf(model.planOf(run).plan.nonce)) !== run + 1
}

/** Every run that began has ended and said why: the last process of each neither works nor died. */
export function atRest(model: Model, world: W.WorldState): boolean {
  return model.scenario.processes.every(
    (_, process) =>
      W.get(world, W.STALE + process) === 1 ||
      W.get(world, W.LIFE + process) === W.UNBORN ||
      W.get(world, W.LIFE + process) === W.ENDED,
  )
}
