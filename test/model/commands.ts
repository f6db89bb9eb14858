import type { ModelStep } from './model-plans.ts'
import { touch, touchAll } from './moves.ts'
import { type Model, must } from './scenario.ts'
import { balancersHold } from './sites.ts'
import * as W from './world-state.ts'

/**
 * What `Behaviour.done` of a step says; a site that cannot be reached says nothing. Mirrors witness-behaviours.ts for
 * the core's steps.
 */
export function looks(
  model: Model,
  world: W.WorldState,
  process: number,
  run: number,
  step: ModelStep,
): 'done' | 'pending' | 'unknown' {
  const { plan, from, to } = model.planOf(run)
  const epoch = plan.epoch + 1
  const up = (place: number): boolean => W.get(world, W.SITE + place) === W.UP
  const answer = (holds: boolean, ...needs: number[]): 'done' | 'pending' | 'unknown' => {
    if (!needs.every(up)) return 'unknown'
    return holds ? 'done' : 'pending'
  }
  switch (step.action) {
    case 'lock': {
      // An expired lock that no other process took still belongs to its holder: each effect renews it.
      const own = W.get(world, W.LOCK) !== W.RELEASED && W.get(world, W.HOLDER) === process + 1
      return answer(own && W.get(world, W.EPOCH) === epoch && W.get(world, W.ACTIVE_HOLDER) === process + 1)
    }
    case 'activate':
      return answer(W.get(world, W.ACTIVE) === to && W.get(world, W.EPOCH) === epoch)
    case 'close-lock':
      return answer(W.get(world, W.HOLDER) !== process + 1 || W.get(world, W.LOCK) === W.RELEASED)
    case 'stop':
      return answer(W.get(world, W.APPLICATION + from) === 0, from)
    case 'close':
      return answer(balancersHold(world, 0))
    case 'demote':
      return answer(W.get(world, W.DATABASE + from) === W.REPLICA, from)
    // The token of the demotion is on record: the old site need not answer any more.
    case 'catch-up':
      return answer((W.get(world, W.DATA + from) & ~W.get(world, W.DATA + to)) === 0, to)
    case 'self-fencing':
      return answer(W.get(world, W.LEASE + from) === 0)
    case 'promote':
      return answer(W.get(world, W.DATABASE + to) === W.PRIMARY, to)
    case 'start':
      return answer(W.get(world, W.APPLICATION + to) === 1, to)
    case 'open':
      return answer(balancersHold(world, to + 1))
    // Its proof: it has all that the new active site has, from that one.
    case 'redirect':
      if (W.get(world, W.THIRD) !== W.UP) return 'unknown'
      return answer(
        W.get(world, W.THIRD_FOLLOWS) === to && (W.get(world, W.DATA + to) & ~W.get(world, W.THIRD_DATA)) === 0,
        to,
      )
    case 'clone':
      return answer(
        W.get(world, W.DATABASE + to) === W.REPLICA && W.get(world, W.DATA + to) === W.get(world, W.DATA + from),
        to,
        from,
      )
  }
}

/** Mirrors `assertStillOurs`: an expired lock that no other process took is renewed. */
export function stillOurs(model: Model, world: W.WorldState, process: number, run: number): boolean {
  if (model.planted('skips-lock-check')) return true
  if (W.get(world, W.HOLDER) !== process + 1 || W.get(world, W.LOCK) === W.RELEASED)
    return model.planted('releases-lock-early')
  world[W.LOCK] = W.HELD
  return W.get(world, W.EPOCH) <= model.planOf(run).plan.epoch + 1
}

/** Mirrors `releaseLock`. */
export function releaseIfOwn(world: W.WorldState, process: number): void {
  if (W.get(world, W.HOLDER) !== process + 1 || W.get(world, W.LOCK) === W.RELEASED) return
  world[W.LOCK] = W.RELEASED
  world[W.HOLDER] = 0
}

/** Mirrors `lockBehaviour.apply`, one write to the witness at a time. */
export function lockPart(
  model: Model,
  world: W.WorldState,
  process: number,
  run: number,
): 'went-on' | 'done' | 'waits' | 'refused' {
  const { plan, from } = model.planOf(run)
  const part = W.get(world, W.LOCK_PART + process)
  const nonces = [...new Set(model.plans.map((one) => one.plan.nonce))]
  const nonce = W.NONCE + nonces.indexOf(plan.nonce)
  const isBurnt = ![0, run + 1].includes(W.get(world, nonce)) && !model.planted('burns-no-nonce')
  if (part === 0) {
    if (isBurnt) return 'refused'
    world[W.LOCK_PART + process] = 1
    return 'went-on'
  }
  const holder = W.get(world, W.HOLDER)
  if (part === 1) {
    const held = W.get(world, W.LOCK) === W.HELD && holder !== process + 1
    if (held) return must(model.scenario.processes[holder - 1]).run === run ? 'waits' : 'refused'
    world[W.HOLDER] = process + 1
    world[W.LOCK] = W.HELD
    world[W.LOCK_PART + process] = 2
    return 'went-on'
  }
  if (part === 2) {
    if (isBurnt) {
      world[W.LOCK_PART + process] = 0
      releaseIfOwn(world, process)
      return 'refused'
    }
    if (!model.planted('burns-no-nonce')) world[nonce] = run + 1
    world[W.LOCK_PART + process] = 3
    return 'went-on'
  }
  world[W.LOCK_PART + process] = 0
  const ours = W.get(world, W.EPOCH) === plan.epoch + 1 && W.get(world, W.ACTIVE_RUN) === run + 1
  if (!ours && (W.get(world, W.EPOCH) !== plan.epoch || W.get(world, W.ACTIVE) !== from)) {
    releaseIfOwn(world, process)
    return 'refused'
  }
  if (W.get(world, W.ACTIVE_HOLDER) !== process + 1) {
    world[W.EPOCH] = plan.epoch + 1
    world[W.ACTIVE_RUN] = run + 1
    world[W.ACTIVE_HOLDER] = process + 1
    touch(model, world, { kind: 'activate', place: from, run })
  }
  if (model.scenario.fencedObjects) touchAll(model, world)
  return 'done'
}

/** Mirrors `ourActive`. */
export function mayActivate(model: Model, world: W.WorldState, process: number, run: number): boolean {
  const holder = model.planted('activates-for-any-process')
    ? W.get(world, W.ACTIVE_RUN) === run + 1
    : W.get(world, W.ACTIVE_HOLDER) === process + 1
  return W.get(world, W.EPOCH) === model.planOf(run).plan.epoch + 1 && holder
}

/** Mirrors `activateBehaviour.undo`: the record is written anew, so that a late write no longer finds its version. */
export function undoActivate(
  model: Model,
  world: W.WorldState,
  process: number,
  run: number,
): 'taken-back' | 'past' | 'lost' {
  const { to } = model.planOf(run)
  if (!mayActivate(model, world, process, run)) return 'lost'
  if (W.get(world, W.ACTIVE) === to) return model.planted('takes-back-beyond-return') ? 'taken-back' : 'past'
  touch(model, world, { kind: 'activate', place: to, run })
  return 'taken-back'
}
