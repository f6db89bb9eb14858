import type { PlannedStep } from '../domain/plan.ts'
import type { Component } from '../domain/stack.ts'
import type { Json } from '../values/json.ts'

/**
 * Whether a plan that was made at `madeAt` (ISO 8601) could have said `planned`, and is still right where one made now
 * says `now`. Pure.
 */
export type Varies = (planned: Json | undefined, now: Json | undefined, madeAt: string) => boolean

/**
 * The title that the planner gives a step with these parameters; null where it would make no such step. An approved
 * plan is accepted with no other one. Pure; the step may come from an altered plan.
 */
export type VaryingTitle<Spec> = (component: Component<Spec>, step: PlannedStep) => string | null
