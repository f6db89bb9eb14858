import { atRest, brokenBetween, brokenIn } from './invariants.ts'
import type { Emit, Move } from './moves.ts'
import { movesOfProcess } from './processes.ts'
import { type Model, modelOf, must, type Scenario } from './scenario.ts'
import { StateStore } from './state-store.ts'
import { movesOfSurroundings } from './surroundings.ts'
import { describeWorld, type WorldState } from './world-state.ts'

export interface Exploration {
  readonly scenario: string
  /** Distinct worlds that were reached. */
  readonly states: number
  readonly transitions: number
  /** Whether all worlds within the bounds were reached. */
  readonly complete: boolean
  readonly milliseconds: number
  /** Milliseconds of processor time, which other work on the machine hardly changes. */
  readonly processorTime: number
  readonly broken: { readonly what: string; readonly trace: readonly string[] } | null
}

export interface Limits {
  readonly states?: number
  readonly milliseconds?: number
}

function processorTimeSince(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1_000
}

/** Breadth first, so that a counterexample is as short as any. Stops at the first broken promise. */
export function explore(scenario: Scenario, limits: Limits = {}): Exploration {
  const model = modelOf(scenario)
  const store = new StateStore()
  const begun = performance.now()
  const processorAtBegin = process.cpuUsage()
  let transitions = 0
  let complete = true
  let broken: Exploration['broken'] = null
  const report = (): Exploration => ({
    scenario: scenario.name,
    states: store.size,
    transitions,
    complete,
    milliseconds: performance.now() - begun,
    processorTime: processorTimeSince(processorAtBegin),
    broken,
  })
  store.add(model.initial, -1)
  for (let at = 0; at < store.size; at++) {
    if (
      store.size > (limits.states ?? Number.POSITIVE_INFINITY) ||
      (at % 1024 === 0 && performance.now() - begun > (limits.milliseconds ?? Number.POSITIVE_INFINITY))
    ) {
      complete = false
      break
    }
    const world = store.at(at)
    store.expand(at)
    movesFrom(model, world, (move) => {
      transitions += 1
      const to = store.add(move.next, at)
      if (move.fair) store.fairEdge(to.index)
      const what =
        broken === null
          ? (move.broken ?? brokenBetween(world, move.next) ?? (to.isNew ? brokenIn(model, move.next) : null))
          : null
      if (what !== null) broken = { what, trace: [...traceTo(model, store, at), sayMove(world, move)] }
    })
    if (broken !== null) return report()
  }
  if (complete) {
    const stuck = store.cannotReach((world) => atRest(model, world))
    if (stuck !== null)
      broken = { what: 'a run that can neither end nor name a human', trace: traceTo(model, store, stuck) }
  }
  return report()
}

function movesFrom(model: Model, world: WorldState, emit: Emit): void {
  for (let process = 0; process < model.scenario.processes.length; process++)
    movesOfProcess(model, world, process, emit)
  movesOfSurroundings(model, world, emit)
}

const sayMove = (before: WorldState, move: Move): string => {
  const now = describeWorld(move.next)
  return now === describeWorld(before) ? move.label() : `${move.label()}\n       ${now}`
}

/** The way to a world, as one line of what happens and one of what is true then. */
function traceTo(model: Model, store: StateStore, index: number): string[] {
  const way: number[] = []
  for (let at = index; at > 0; at = store.parentOf(at)) way.push(at)
  return way.reverse().map((to) => {
    let found: string | null = null
    const before = store.at(store.parentOf(to))
    movesFrom(model, before, (move) => {
      if (found === null && store.indexOf(move.next) === to) found = sayMove(before, move)
    })
    return must<string>(found)
  })
}

/** As a person reads it. */
export function readable({ scenario, states, transitions, milliseconds, complete, broken }: Exploration): string {
  const rate = Math.round(states / Math.max(0.001, milliseconds / 1_000))
  const head = `${scenario}: ${states} states, ${transitions} transitions in ${(milliseconds / 1_000).toFixed(1)} s (${rate} states/s)${complete || broken !== null ? '' : ', not complete'}`
  if (broken === null) return head
  return [
    head,
    `  BROKEN: ${broken.what}`,
    ...broken.trace.map((line, index) => `${String(index + 1).padStart(4)} ${line}`),
  ].join('\n')
}
