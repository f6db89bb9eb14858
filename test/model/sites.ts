import { nameOf, other, PLACES, type Place } from './model-plans.ts'
import type { Model } from './scenario.ts'
import * as W from './world-state.ts'

/** What can be done to the sites and to active.json. `un-` takes back. */
export const EFFECTS = [
  'stop',
  'un-stop',
  'close',
  'un-close',
  'demote',
  'un-demote',
  'promote',
  'start',
  'open',
  'clone',
  'redirect',
  'activate',
] as const
export type EffectKind = (typeof EFFECTS)[number]

export interface Effect {
  readonly kind: EffectKind
  readonly place: Place
  readonly run: number
}
const CURRENT = 0x8000
/** An effect as a number that is never 0; `current`: the version that it replaces was not changed since it was read. */
export const encode = ({ kind, place, run }: Effect, current: boolean): number =>
  ((EFFECTS.indexOf(kind) * 2 + place) * W.MAX_RUNS + run + 1) | (current ? CURRENT : 0)
export const isCurrent = (code: number): boolean => (code & CURRENT) !== 0
export const outdated = (code: number): number => code & ~CURRENT
export function decode(code: number): Effect {
  const rest = outdated(code) - 1
  const run = rest % W.MAX_RUNS
  const place: Place = Math.floor(rest / W.MAX_RUNS) % 2 === 0 ? 0 : 1
  return { kind: EFFECTS[Math.floor(rest / W.MAX_RUNS / 2)] ?? 'stop', place, run }
}
export const describeEffect = ({ kind, place }: Effect): string => `${kind} on ${nameOf(place)}`

const BALANCED: ReadonlySet<EffectKind> = new Set(['close', 'un-close', 'open'])
const DATABASES: ReadonlySet<EffectKind> = new Set(['demote', 'un-demote', 'promote', 'clone'])
/** Whose object it changes: effects of one object make each other's versions old. */
export function objectOf({ kind, place }: Effect): string {
  if (kind === 'activate') return 'active.json'
  if (kind === 'redirect') return 'database of the third'
  if (BALANCED.has(kind)) return 'balancers'
  return `${DATABASES.has(kind) ? 'database' : 'application'} ${place}`
}

/** Load balancers have no versions: what is sent to them late is done late. */
export const hasVersions = (model: Model, effect: Effect): boolean =>
  effect.kind === 'activate'
    ? !model.planted('activates-without-compare-and-set')
    : model.scenario.fencedObjects && !BALANCED.has(effect.kind)

/** Whether the sender reaches the object that the effect changes. */
export const reaches = (world: W.WorldState, { kind, place }: Effect): boolean =>
  kind === 'activate' || BALANCED.has(kind) || W.get(world, kind === 'redirect' ? W.THIRD : W.SITE + place) === W.UP

/** Changes the world; what is out of reach stays as it is. */
export function take(model: Model, world: W.WorldState, effect: Effect): void {
  const { kind, place, run } = effect
  if (!reaches(world, effect)) return
  switch (kind) {
    case 'stop':
      world[W.APPLICATION + place] = 0
      return
    case 'un-stop':
    case 'start':
      world[W.APPLICATION + place] = 1
      return
    case 'close':
      setBalancers(world, 0)
      return
    case 'un-close':
    case 'open':
      setBalancers(world, place + 1)
      return
    case 'demote':
      world[W.DATABASE + place] = W.REPLICA
      return
    case 'un-demote':
      world[W.DATABASE + place] = W.PRIMARY
      return
    case 'promote':
      world[W.DATABASE + place] = W.PRIMARY
      // What a failover gives up was accepted by a person; from here on nothing more may be lost.
      if (model.planOf(run).plan.intent.mode === 'failover')
        world[W.ACKNOWLEDGED] = W.get(world, W.ACKNOWLEDGED) & W.get(world, W.DATA + place)
      return
    case 'clone':
      world[W.DATABASE + place] = W.REPLICA
      world[W.DATA + place] = W.get(world, W.DATA + other(place))
      return
    case 'redirect':
      world[W.THIRD_FOLLOWS] = place
      return
    case 'activate':
      world[W.ACTIVE] = place
      return
  }
}

/** A load balancer of a site that is lost cannot be reached either. */
function setBalancers(world: W.WorldState, value: number): void {
  for (const place of PLACES) if (W.get(world, W.SITE + place) === W.UP) world[W.BALANCER + place] = value
}
export const balancersHold = (world: W.WorldState, value: number): boolean =>
  PLACES.every((place) => W.get(world, W.SITE + place) !== W.UP || W.get(world, W.BALANCER + place) === value)

/** Whether what runs on a site would write: users, workers and all. */
export function wouldWrite(model: Model, world: W.WorldState, place: Place): boolean {
  return (
    W.get(world, W.SITE + place) !== W.DEAD &&
    W.get(world, W.DATABASE + place) === W.PRIMARY &&
    W.get(world, W.APPLICATION + place) === 1 &&
    (!model.scenario.guarded || W.get(world, W.LEASE + place) === 1)
  )
}

/** Whether a user's write is accepted there: some load balancer leads to it. */
export function serves(model: Model, world: W.WorldState, place: Place): boolean {
  return (
    wouldWrite(model, world, place) &&
    PLACES.some((at) => W.get(world, W.BALANCER + at) === place + 1 && connected(world, at, place))
  )
}
const connected = (world: W.WorldState, a: Place, b: Place): boolean =>
  a === b ? W.get(world, W.SITE + a) !== W.DEAD : W.get(world, W.SITE + a) === W.UP && W.get(world, W.SITE + b) === W.UP
