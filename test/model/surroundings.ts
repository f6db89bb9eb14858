import type { PlannedStep } from '../../src/domain/plan.ts'
import { sequenceOf } from '../../src/planning/order-steps.ts'
import type { OnRecord } from '../../src/witness/journal.ts'
import { unapproved } from './invariants.ts'
import { nameOf, other, PLACES, type Place } from './model-plans.ts'
import { copyOf, type Emit, touch } from './moves.ts'
import { type Model, must } from './scenario.ts'
import { decode, describeEffect, hasVersions, isCurrent, serves, take } from './sites.ts'
import * as W from './world-state.ts'

/**
 * What happens without any process: users write, replicas follow, time passes, effects arrive, sites are lost and come
 * back.
 */
export function movesOfSurroundings(model: Model, world: W.WorldState, emit: Emit): void {
  const change = (label: () => string, fair: boolean, set: (next: W.WorldState) => void): void => {
    const next = copyOf(world)
    set(next)
    emit({ next, fair, label, broken: null })
  }
  for (const place of PLACES) {
    write(model, world, place, change)
    follow(world, place, change)
    outage(model, world, place, change)
    if (model.scenario.guarded) guard(world, place, change)
    openByHand(model, world, place, change)
  }
  third(model, world, change)
  forge(model, world, change)
  cutShort(model, world, change)
  if (W.get(world, W.LOCK) === W.HELD)
    change(
      () => 'time passes: the lock expires',
      true,
      (next) => {
        next[W.LOCK] = W.EXPIRED
      },
    )
  for (let at = 0; at < W.MAX_UNDERWAY; at++) arrive(model, world, at, emit)
}

/**
 * A person opens the site that a run has shut, before anything is promoted. What the processes saw of it is old by then
 * (`fade` of run-steps.ts): no two systems can be changed at once, and no process sees what happens between the last
 * look at a fence and the promotion, within two seconds.
 */
function openByHand(model: Model, world: W.WorldState, place: Place, change: Change): void {
  if (W.get(world, W.HANDS) === 0 || W.get(world, W.DATABASE + other(place)) === W.PRIMARY) return
  if (model.planOf(0).from !== place || W.get(world, W.SITE + place) !== W.UP) return
  const lives = model.scenario.processes.some((_, process) => W.get(world, W.LIFE + process) === W.ALIVE)
  const begun = model.scenario.processes.some((_, process) => W.get(world, W.LIFE + process) !== W.UNBORN)
  if (model.scenario.handsBetweenProcesses === true && (lives || !begun)) return
  change(
    () => `somebody opens ${nameOf(place)} by hand`,
    false,
    (next) => {
      next[W.HANDS] = W.get(world, W.HANDS) - 1
      next[W.DATABASE + place] = W.PRIMARY
      next[W.APPLICATION + place] = 1
      for (const at of PLACES) next[W.BALANCER + at] = place + 1
      for (const kind of ['demote', 'stop'] as const) touch(model, next, { kind, place, run: 0 })
      for (const [process, { run }] of model.scenario.processes.entries())
        if (W.get(world, W.LIFE + process) === W.ALIVE)
          next[W.RUN_STATE + process] = model.tableOf(run).after(W.get(world, W.RUN_STATE + process), { is: 'faded' })
    },
  )
}

/** Forged entries of a journal, about what never happened. */
const FORGERIES: readonly {
  readonly what: string
  readonly claim: OnRecord
  readonly of: (step: PlannedStep) => boolean
}[] = [
  { what: 'all fences are done', claim: 'done', of: ({ fence }) => fence !== undefined },
  { what: 'all fences are given up', claim: 'given-up', of: ({ fence }) => fence !== undefined },
  { what: 'the promotion is done', claim: 'done', of: ({ action }) => action === 'promote' },
]

/** Whether a process of the first run lives, or none has begun it yet. */
function isAtWork(model: Model, world: W.WorldState): boolean {
  const ofRun = model.scenario.processes.flatMap(({ run }, process) =>
    run === 0 ? [W.get(world, W.LIFE + process)] : [],
  )
  return ofRun.includes(W.ALIVE) || ofRun.every((life) => life === W.UNBORN)
}

/**
 * Forges the journal of a run that no process continues: entries claim that steps are done, or given up, and they never
 * were.
 */
function forge(model: Model, world: W.WorldState, change: Change): void {
  if (W.get(world, W.LIES) === 0) return
  if (isAtWork(model, world)) return
  const table = model.tableOf(0)
  const view = table.journalView(W.get(world, W.JOURNAL))
  for (const { what, claim, of } of FORGERIES)
    change(
      () => `somebody forges the journal: ${what}`,
      false,
      (next) => {
        next[W.LIES] = W.get(world, W.LIES) - 1
        const steps = model.planOf(0).steps.map(({ planned }, at) => (of(planned) ? claim : (view.steps[at] ?? null)))
        next[W.JOURNAL] = table.journal({ ...view, steps })
      },
    )
}

/**
 * The newest entries of a journal that no process continues are gone: where it went back, that it did may be gone as
 * well.
 */
function cutShort(model: Model, world: W.WorldState, change: Change): void {
  if (W.get(world, W.CUTS) === 0 || isAtWork(model, world)) return
  const table = model.tableOf(0)
  const view = table.journalView(W.get(world, W.JOURNAL))
  const { steps, plan } = model.planOf(0)
  const place = new Map(sequenceOf(plan.steps).map(({ id }, index) => [id, index]))
  const placeOf = (at: number): number => place.get(must(steps[at]).planned.id) ?? 0
  const before = view.steps.map((recorded) => (recorded === 'undone' ? 'done' : recorded))
  for (const turnedBack of view.turnedBack ? [true, false] : [false])
    for (const [at] of steps.entries())
      for (const left of ['intent', null] as const) {
        if ((before[at] ?? null) === null || (turnedBack && left === null)) continue
        const kept = steps.map((_, other): OnRecord | null => {
          if (placeOf(other) < placeOf(at)) return before[other] ?? null
          return other === at ? left : null
        })
        const after = table.journal({ steps: turnedBack ? before : kept, turnedBack, ended: null })
        if (after === W.get(world, W.JOURNAL)) continue
        change(
          () =>
            `the newest entries of the journal vanish: ${turnedBack ? 'what was taken back' : `from ${steps[at]?.planned.id} on`}`,
          false,
          (next) => {
            next[W.CUTS] = W.get(world, W.CUTS) - 1
            next[W.JOURNAL] = after
          },
        )
      }
}

type Change = (label: () => string, fair: boolean, set: (next: W.WorldState) => void) => void

function write(model: Model, world: W.WorldState, place: Place, change: Change): void {
  const count = W.get(world, W.WRITES)
  if (count >= model.scenario.writes || !serves(model, world, place)) return
  change(
    () => `a user writes on ${nameOf(place)}, and is promised that it is kept`,
    false,
    (next) => {
      const bit = 1 << count
      next[W.WRITES] = count + 1
      next[W.ACKNOWLEDGED] = W.get(world, W.ACKNOWLEDGED) | bit
      next[W.DATA + place] = W.get(world, W.DATA + place) | bit
    },
  )
}

/** A replica follows a primary that it reaches, as long as its own history is a part of that one's. */
function follow(world: W.WorldState, place: Place, change: Change): void {
  const from = other(place)
  const [mine, theirs] = [W.get(world, W.DATA + place), W.get(world, W.DATA + from)]
  const up = PLACES.every((at) => W.get(world, W.SITE + at) === W.UP)
  // A demoted primary has shipped its last write: its archive can be read on.
  if (!up || W.get(world, W.DATABASE + place) === W.PRIMARY || mine === theirs || (mine & ~theirs) !== 0) return
  change(
    () => `${nameOf(place)} replays what ${nameOf(from)} has written`,
    true,
    (next) => {
      next[W.DATA + place] = theirs
    },
  )
}

/**
 * The third site may go and come at any time. It follows the site that it was last directed to, as long as its own
 * history is a part of that site's.
 */
function third(model: Model, world: W.WorldState, change: Change): void {
  if (!model.scenario.plans.some((plan) => plan.third === true)) return
  const set = (value: number) => (next: W.WorldState) => {
    next[W.THIRD] = value
    if (value === W.DEAD) next[W.THIRD_OUTAGES] = W.get(world, W.THIRD_OUTAGES) - 1
  }
  const up = W.get(world, W.THIRD) === W.UP
  if (up && W.get(world, W.THIRD_OUTAGES) > 0) change(() => 'dc-c goes away', false, set(W.DEAD))
  if (!up) change(() => 'dc-c comes back', false, set(W.UP))
  const place: Place = W.get(world, W.THIRD_FOLLOWS) === 0 ? 0 : 1
  const [mine, theirs] = [W.get(world, W.THIRD_DATA), W.get(world, W.DATA + place)]
  if (!up || W.get(world, W.SITE + place) !== W.UP || mine === theirs || (mine & ~theirs) !== 0) return
  change(
    () => `dc-c replays what ${nameOf(place)} has written`,
    true,
    (next) => {
      next[W.THIRD_DATA] = theirs
    },
  )
}

/**
 * A site dies, or is cut off and lives on for its own users; and it comes back as it was, believing what it believed.
 */
function outage(model: Model, world: W.WorldState, place: Place, change: Change): void {
  const is = W.get(world, W.SITE + place)
  if (is === W.UP && W.get(world, W.OUTAGES) > 0) {
    const lose = (to: number) => (next: W.WorldState) => {
      next[W.OUTAGES] = W.get(world, W.OUTAGES) - 1
      next[W.SITE + place] = to
      if (to === W.DEAD) next[W.LEASE + place] = 0
    }
    change(() => `${nameOf(place)} dies`, false, lose(W.DEAD))
    change(() => `${nameOf(place)} is cut off, and serves the users of its own load balancer`, false, lose(W.CUT))
  }
  if (is === W.UP || model.scenario.outages === 0) return
  change(
    () => `${nameOf(place)} comes back`,
    false,
    (next) => {
      next[W.SITE + place] = W.UP
    },
  )
}

/** The guard opens its site while it has proof that the witness names it; the proof runs out. */
function guard(world: W.WorldState, place: Place, change: Change): void {
  const open = W.get(world, W.LEASE + place) === 1
  const named = W.get(world, W.SITE + place) === W.UP && W.get(world, W.ACTIVE) === place
  if (open === named) return
  const said = named ? 'finds it named by the witness, and opens it' : 'has no proof any more, and closes it'
  change(
    () => `the guard of ${nameOf(place)} ${said}`,
    true,
    (next) => {
      next[W.LEASE + place] = named ? 1 : 0
    },
  )
}

function arrive(model: Model, world: W.WorldState, at: number, emit: Emit): void {
  const code = W.get(world, W.UNDERWAY + at)
  if (code === 0) return
  const effect = decode(code)
  const next = copyOf(world)
  next[W.UNDERWAY + at] = 0
  const refused = hasVersions(model, effect) && !isCurrent(code)
  if (!refused) {
    take(model, next, effect)
    if (hasVersions(model, effect)) touch(model, next, effect)
  }
  const broken = unapproved(model, world, effect) ? 'an effect without approval' : null
  emit({
    next,
    fair: false,
    label: () => `late, ${describeEffect(effect)} arrives${refused ? ' and is refused' : ''}`,
    broken,
  })
}
