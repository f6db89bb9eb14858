import type { BySite } from '../../src/domain/observed.ts'
import type { Intent } from '../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../src/domain/stack.ts'
import type { MayAsk, World } from './world.ts'

/** What the suite needs of the author of a driver: one declared component, and what is seen of it. */
export interface Fixture {
  readonly stack: Stack
  readonly component: Component
  /** What is seen before a move; each mode that the driver plans steps for has at least one. */
  readonly situations: readonly Situation[]
  /**
   * Actions whose steps none of the situations plans, each with the reason: such as one that only a third site needs.
   */
  readonly unplanned?: Reasons
  /**
   * Actions whose result no other process can look at, each with the reason: a process that finds the step done all the
   * same does it anew, and that must change nothing.
   */
  readonly doneAnew?: Reasons
  /** A world in which its steps are performed, made anew for each test; absent: its steps are tested elsewhere only. */
  readonly world?: (situation: Situation, mayAsk: MayAsk) => Promise<World>
  /**
   * Actions whose steps its world does not perform, each with the folder of the tests that do: what they ask is
   * answered by real programs there. What they would have proven is among `proofs` of the world.
   */
  readonly performedElsewhere?: Readonly<Record<string, string>>
  /** Where its steps are tested, when there is no world. */
  readonly testedIn?: string
  /**
   * Rights that an identity lacks on purpose, each with the reason: what it asks for all the same, and goes without.
   * `observer create pods/exec`.
   */
  readonly goesWithout?: Reasons
  /**
   * Rights that no call of the world needs, each with the reason: what a step, a look or a deploy needs in a situation
   * that the world does not make. `mover get pods/log`. Not asked for where steps are performed elsewhere.
   */
  readonly unaskedRights?: Reasons
}

export type Reasons = Readonly<Record<string, string>>

export interface Situation {
  readonly name: string
  readonly intent: Intent
  readonly states: BySite
  /** The site that the witness calls active. */
  readonly activeSite: SiteName
}
