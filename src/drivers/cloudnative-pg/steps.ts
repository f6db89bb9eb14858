import type { FenceLevel } from '../../domain/fence-levels.ts'
import type { Phase, PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Milliseconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Database } from './spec.ts'

/** The id of a step of this component. */
export const stepId = (component: Database, action: string, site: SiteName): string =>
  `${component.name}.${action}@${site}`

/** A planned step of this component, with what most steps have in common. */
export function plannedStep(
  component: Database,
  action: string,
  site: SiteName,
  step: {
    readonly phase: Phase
    readonly title: string
    readonly deadline: Milliseconds
    readonly expected: Milliseconds
    readonly parameters: JsonObject
    readonly needs?: readonly string[]
    readonly irreversible?: boolean
    readonly mayBeginIn?: Phase
    readonly fence?: FenceLevel
  },
): PlannedStep {
  return {
    id: stepId(component, action, site),
    component: component.name,
    action,
    site,
    needs: [],
    irreversible: false,
    ...step,
  }
}

/** The text parameters that a step was planned with; a plan without them is no plan of this driver. */
export function parameter(step: PlannedStep, name: string): string {
  const value = step.parameters[name]
  if (typeof value !== 'string') throw new Error(`${step.id} has no parameter ${name}`)
  return value
}
