import type { World } from '../composition/connect.ts'
import type { NamedFact } from '../domain/plan.ts'
import { failureOf, type StandbyError } from '../errors/standby-error.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { executeMove } from '../execution/execute-move.ts'
import { progressTo } from '../execution/progress.ts'
import type { StepReport } from '../execution/step-report.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { howItEnded } from './earlier-end.ts'
import { leaveEvidence } from './leave-evidence.ts'
import type { RunOfPlan } from './run-of-plan.ts'

/**
 * Carries out an approved plan, or its remaining steps; returns the report, and writes the evidence into the witness.
 * `begun` is when this process was asked to: users also wait during the last observation of the sites.
 */
export async function carryOut(
  world: World,
  of: RunOfPlan,
  begun: Date,
  started: readonly NamedFact[] | null = null,
): Promise<MoveReport> {
  const outcome = await executeMove({
    plan: of.plan,
    digest: digestOf(of.plan),
    run: of.run,
    how: of.how,
    ...(of.asked === undefined ? {} : { asked: of.asked }),
    store: world.store,
    drivers: world.drivers,
    context: world.context,
    clock: world.clock,
    progress: progressTo(world.log, world.clock, world.listener),
    signal: world.signal,
  })
  const { verdict, epoch } = await howItEnded(world, of, outcome)
  const report = moveReport(world, of, begun, { verdict, epoch, steps: outcome.steps, failure: outcome.failure })
  return leaveEvidence(world, of, begun, report, started)
}

/**
 * A run that was refused before it began: nothing was changed, and its evidence says so. `started` is the observation,
 * if there was one.
 */
export const refusedReport = (
  world: World,
  of: RunOfPlan,
  begun: Date,
  failure: StandbyError,
  started: readonly NamedFact[] | null = null,
): Promise<MoveReport> =>
  leaveEvidence(
    world,
    of,
    begun,
    moveReport(world, of, begun, { verdict: 'refused', epoch: of.plan.epoch, steps: [], failure }),
    started,
  )

interface Ended {
  readonly verdict: MoveReport['verdict']
  readonly epoch: number
  readonly steps: readonly StepReport[]
  readonly failure: StandbyError | null
}

/** The report of one process; the evidence adds the times of the whole run. */
function moveReport(
  world: World,
  { plan, run }: RunOfPlan,
  begun: Date,
  { verdict, epoch, steps, failure }: Ended,
): MoveReport {
  return {
    schemaVersion: 1,
    stack: world.stack.name,
    run,
    mode: plan.intent.mode,
    from: plan.intent.from,
    to: plan.intent.to,
    planId: plan.id,
    digest: digestOf(plan),
    epoch: { before: plan.epoch, after: epoch },
    verdict,
    phases: [],
    steps,
    failure: failure === null ? null : failureOf(failure),
    duration: world.clock.now().getTime() - begun.getTime(),
    writeGap: null,
    evidence: null,
  }
}
