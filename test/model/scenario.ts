import { type ModelPlan, modelPlan, type Place, type PlanRequest } from './model-plans.ts'
import { EMPTY_JOURNAL, PRODUCTION, type Rules, type RunTable, runTable } from './run-table.ts'
import * as W from './world-state.ts'

/** Bugs that can be planted into the model of a run; those of the transition functions are bent `Rules`. */
export type Plant =
  | 'skips-lock-check'
  | 'activates-without-compare-and-set'
  /** Whether active.json names the process that may change it was found by this explorer: see docs/verification.md. */
  | 'activates-for-any-process'
  | 'burns-no-nonce'
  | 'takes-back-beyond-return'
  | 'releases-lock-early'
  | 'redirects-what-parted'
  /** Lock and active record are not held against the journal. */
  | 'believes-short-journal'
  /** The engine carries out whatever plan was approved. */
  | 'runs-without-fence'

/** A small world: which plans, who executes them, and what the adversary may do. */
export interface Scenario {
  readonly name: string
  readonly plans: readonly PlanRequest[]
  /** Which plan each run executes; two runs with one plan are a duplicate dispatch. */
  readonly runs: readonly number[]
  /** Who may come to life once, in any order: the first process of a run begins it. */
  readonly processes: readonly { readonly run: number; readonly how: 'begin' | 'resume' | 'abort' }[]
  /** How often a process may die, a command may fail, an effect may arrive late, a site may be lost. */
  readonly crashes: number
  readonly faults: number
  readonly delays: number
  readonly outages: number
  readonly writes: number
  /**
   * How often a person may open the old site by hand, except between a process' last look at the fences and its
   * promotion.
   */
  readonly hands?: number
  /** Only while no process lives: a smaller world. */
  readonly handsBetweenProcesses?: true
  /**
   * How often a journal may be forged (`FORGERIES`) while none of its processes lives.
   */
  readonly lies?: number
  /** How often the newest entries of a journal may vanish, while none of its processes lives. */
  readonly cuts?: number
  /** Whether what is written to a site's objects is refused once a later holder of the lock has touched them. */
  readonly fencedObjects: boolean
  /** Whether each site has a guard that closes it when the witness does not name it. */
  readonly guarded: boolean
  readonly activeAtFirst?: Place
  /** How often the third site, where a plan has one, may go away. */
  readonly thirdOutages?: number
  readonly rules?: Rules
  readonly plants?: readonly Plant[]
}

/** A scenario with its plans made and its transition functions tabled. */
export interface Model {
  readonly scenario: Scenario
  readonly plans: readonly ModelPlan[]
  readonly planOf: (run: number) => ModelPlan
  readonly tableOf: (run: number) => RunTable
  readonly planted: (plant: Plant) => boolean
  readonly initial: W.WorldState
}

export function modelOf(scenario: Scenario): Model {
  const plans = scenario.plans.map(modelPlan)
  const tables = scenario.runs.map((plan) => runTable(must(plans[plan]).course, scenario.rules ?? PRODUCTION))
  const nonces = [...new Set(scenario.plans.map(({ nonce }) => nonce))]
  if (nonces.length > W.MAX_RUNS || scenario.runs.length > W.MAX_RUNS || scenario.processes.length > W.MAX_PROCESSES)
    throw new Error('a world of this size has no place')
  const initial = new Uint16Array(W.WIDTH)
  const active = scenario.activeAtFirst ?? 0
  initial[W.EPOCH] = 1
  initial[W.ACTIVE] = active
  initial.set([W.UP, W.UP], W.SITE)
  initial[W.DATABASE + active] = W.PRIMARY
  initial[W.APPLICATION + active] = 1
  initial[W.LEASE + active] = 1
  initial.set([active + 1, active + 1], W.BALANCER)
  initial[W.THIRD] = scenario.plans.some(({ third }) => third === true) ? W.UP : W.DEAD
  initial[W.THIRD_FOLLOWS] = active
  initial[W.THIRD_OUTAGES] = scenario.thirdOutages ?? 0
  initial[W.CRASHES] = scenario.crashes
  initial[W.FAULTS] = scenario.faults
  initial[W.DELAYS] = scenario.delays
  initial[W.OUTAGES] = scenario.outages
  initial[W.HANDS] = scenario.hands ?? 0
  initial[W.LIES] = scenario.lies ?? 0
  initial[W.CUTS] = scenario.cuts ?? 0
  for (const [run, table] of tables.entries()) initial[W.JOURNAL + run] = table.journal(EMPTY_JOURNAL)
  return {
    scenario,
    plans,
    planOf: (run) => must(plans[scenario.runs[run] ?? -1]),
    tableOf: (run) => must(tables[run]),
    planted: (plant) => scenario.plants?.includes(plant) === true,
    initial,
  }
}

export function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('the model lacks what it names')
  return value
}
