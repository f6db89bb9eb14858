import type { PlannedStep } from '../../../../src/domain/plan.ts'
import type { AnyAction, DriverStep } from '../../../../src/driver/action.ts'
import type { CloudNativePgSpec, Database } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { asPlanned } from '../../../support/behaviour-of.ts'
import { flatBehaviourOf } from '../../../support/flat/adapter.ts'
import type { Behaviour } from '../../../support/flat/behaviour.ts'

/** How the engine runs an action. */
export const behaviourOf = (action: AnyAction<CloudNativePgSpec>): Behaviour<CloudNativePgSpec> =>
  flatBehaviourOf(action)

/** A step as the plan has it. */
export const planned = (database: Database, step: DriverStep): PlannedStep => asPlanned(database, step)
