import type { ModelStep } from './model-plans.ts'
import type { Model } from './scenario.ts'
import { must } from './scenario.ts'
import { decode, type Effect, type EffectKind, hasVersions, objectOf, outdated } from './sites.ts'
import * as W from './world-state.ts'

/** One thing that may happen next. */
export interface Move {
  readonly next: W.WorldState
  /** Whether it happens by itself when nothing more goes wrong: a process goes on, time passes, a run is resumed. */
  readonly fair: boolean
  readonly label: () => string
  /** What it broke, if it broke anything. */
  readonly broken: string | null
}
export type Emit = (move: Move) => void

/** This object was written to: other writes that are in flight, or about to be sent, find another version. */
export function touch(model: Model, world: W.WorldState, effect: Effect): void {
  const object = objectOf(effect)
  for (let at = 0; at < W.MAX_UNDERWAY; at++) {
    const code = W.get(world, W.UNDERWAY + at)
    if (code !== 0 && objectOf(decode(code)) === object) world[W.UNDERWAY + at] = normal(model, outdated(code))
  }
  for (const [process, { run }] of model.scenario.processes.entries())
    world[W.FRESH + process] = W.get(world, W.FRESH + process) & ~stepsOn(model, run, object)
}

/**
 * A process that takes the lock touches every object of every site before anything else: writes of older holders are
 * refused from then on.
 */
export function touchAll(model: Model, world: W.WorldState): void {
  for (let at = 0; at < W.MAX_UNDERWAY; at++) {
    const code = W.get(world, W.UNDERWAY + at)
    if (code !== 0 && decode(code).kind !== 'activate') world[W.UNDERWAY + at] = normal(model, outdated(code))
  }
  for (const [process] of model.scenario.processes.entries()) world[W.FRESH + process] = 0
}

/** An effect that will be refused is as good as none. */
const normal = (model: Model, code: number): number => (hasVersions(model, decode(code)) ? 0 : code)

/** The steps of a run that write to an object, one bit each. */
function stepsOn(model: Model, run: number, object: string): number {
  const key = `${run} ${object}`
  const cache = masks.get(model) ?? new Map<string, number>()
  masks.set(model, cache)
  const known = cache.get(key)
  if (known !== undefined) return known
  const mask = model.planOf(run).steps.reduce((bits, step, index) => {
    const kind = effectOf(step)
    return kind !== null && objectOf({ kind, place: step.place, run }) === object ? bits | (1 << index) : bits
  }, 0)
  cache.set(key, mask)
  return mask
}
const masks = new WeakMap<Model, Map<string, number>>()

/** What a step does to sites or active.json; null: it only waits, or concerns the lock. */
export function effectOf({ action }: ModelStep): EffectKind | null {
  return action === 'lock' || action === 'close-lock' || action === 'catch-up' || action === 'self-fencing'
    ? null
    : action
}

/** What takes a step back; null: nothing has to be done. */
export function undoOf({ action }: ModelStep): 'un-stop' | 'un-close' | 'un-demote' | null {
  return action === 'stop' || action === 'close' || action === 'demote' ? `un-${action}` : null
}

export const copyOf = (world: W.WorldState): W.WorldState => world.slice()

/** A process that is gone remembers nothing: worlds that differ only in what it knew are one. */
export function buried(world: W.WorldState, process: number, life: number): void {
  world[W.LIFE + process] = life
  for (const field of [W.RUN_STATE, W.LOCK_PART, W.HAS_ERROR, W.FRESH]) world[field + process] = 0
}

export const stepNamed = (model: Model, run: number, id: string): number => {
  const plan = model.planOf(run)
  const cache = indexes.get(plan) ?? new Map(plan.steps.map((step, index) => [step.planned.id, index]))
  indexes.set(plan, cache)
  return must(cache.get(id))
}
const indexes = new WeakMap<object, Map<string, number>>()
