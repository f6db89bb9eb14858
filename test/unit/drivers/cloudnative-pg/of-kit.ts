import type { PlannedStep } from '../../../../src/domain/plan.ts'
import type { AnyAction, DriverStep } from '../../../../src/driver/action.ts'
import type { CloudNativePgSpec, Database } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { adaptedActions, asPlannedSteps } from '../../../support/flat/adapter.ts'
import { around } from '../../../support/flat/around.ts'
import type { Behaviour } from '../../../support/flat/behaviour.ts'

/** How the engine runs an action. */
export function behaviourOf(action: AnyAction<CloudNativePgSpec>): Behaviour<CloudNativePgSpec> {
  const behaviour = adaptedActions([action], around).behaviours[action.name]
  if (behaviour === undefined) throw new Error(`no behaviour of ${action.name}`)
  return behaviour
}

/** A step as the plan has it. */
export function planned(database: Database, step: DriverStep): PlannedStep {
  const [made] = asPlannedSteps(database, [step])
  if (made === undefined) throw new Error(`${step.action} is not planned`)
  return made
}
