import type { World } from '../composition/connect.ts'
import type { Approval } from '../domain/approval.ts'
import type { NamedFact, Plan } from '../domain/plan.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { courseOf, refuseUnfenced } from '../execution/course-of-plan.ts'
import type { JsonObject } from '../values/json.ts'
import { approvalKey, planKey } from '../witness/keys.ts'
import { sayNoEvidence } from './leave-evidence.ts'
import { refuseExpired, refuseOtherThanApproved, revalidatePlan } from './revalidate.ts'
import { newRun } from './run-id.ts'
import { carryOut, refusedReport } from './run-move.ts'
import type { RunOfPlan } from './run-of-plan.ts'

/**
 * Executes an approved plan: observes everything again, and refuses when a fact changed beyond its tolerance. A refused
 * run changes nothing. Every run that began can be continued from its objects in the witness.
 */
export async function executeFailover(world: World, plan: Plan, approval: Approval): Promise<MoveReport> {
  const begun = world.clock.now()
  const run = newRun(begun)
  const of: RunOfPlan = { plan, approval, run, how: 'begin' }
  const started: { facts: readonly NamedFact[] | null } = { facts: null }
  try {
    await refuseOtherThanApproved(world, of)
    await refuseExpired(world, plan)
    refuseUnfenced(courseOf(plan, world.stack, world.drivers), plan)
    await revalidatePlan(world, plan, run, (facts) => {
      started.facts = facts
    })
    await world.store.create(planKey(run), plan as unknown as JsonObject)
    await world.store.create(approvalKey(run), approval as unknown as JsonObject)
  } catch (error) {
    return await refusedReport(world, of, begun, asStandbyError(error), started.facts)
  }
  world.log.info(
    `run ${run} begins; if this process dies: standby failover resume --run ${run} --digest ${approval.digest}`,
  )
  return carryOut(world, of, begun, started.facts).catch((error: unknown) => {
    // An error here means that the witness was silent for longer than the longest wait, or that another process took
    // over.
    sayNoEvidence(world, run, asStandbyError(error).message)
    throw error
  })
}
