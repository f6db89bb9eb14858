import { randomBytes } from 'node:crypto'
import type { World } from '../composition/connect.ts'
import type { Plan } from '../domain/plan.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { learnFrom } from '../evidence/learn-durations.ts'
import type { PlanReport } from '../evidence/reports.ts'
import { blockers } from '../planning/findings.ts'
import { planDefects } from '../planning/plan-defects.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { planMove } from '../planning/plan-move.ts'
import { intentOf, type MoveRequest, refuseImpossible } from '../planning/resolve-intent.ts'
import { TOOL_VERSION } from '../runtime/version.ts'
import { stampOf } from '../values/stamp.ts'
import { observeDeclared } from './observe-declared.ts'
import { lastRestoreTests, statusOf } from './status.ts'

/**
 * The plan of a move, with its digest and with the durations of former runs: read-only. A plan with blockers is shown,
 * but cannot be executed.
 */
export async function planFailover(
  world: World,
  request: MoveRequest,
  from: { /** The address of the GitHub run that asks for it. */ readonly madeIn?: string } = {},
): Promise<PlanReport> {
  refuseImpossible(world.stack, request)
  const tested = lastRestoreTests(world)
  const learned = learnFrom(world.store)
  const observation = await observeDeclared(world)
  const intent = intentOf(world.stack, observation, request, world.drivers)
  const id = `${stampOf(observation.at)}-${intent.mode}-${intent.from}-${intent.to}`
  const identity = { id, nonce: randomBytes(16).toString('hex'), toolVersion: TOOL_VERSION, ...from }
  const plan = planMove(world.stack, observation, intent, world.drivers, identity, await learned)
  const executable = blockers(plan.findings).length === 0
  if (executable) refuseOwnDefects(world, plan, new Date(observation.at))
  return {
    schemaVersion: 1,
    plan,
    digest: digestOf(plan),
    status: statusOf(world, observation, plan.findings, await tested),
    executable,
  }
}

/** Refuses a plan that could not be executed before anyone approves it. Throws `plan-defect`. */
function refuseOwnDefects({ stack, drivers }: World, plan: Plan, now: Date): void {
  const defects = planDefects(plan, { stack, drivers, now })
  if (defects.length === 0) return
  throw new StandbyError({
    code: 'plan-defect',
    mustAct: 'defect',
    what: `the steps of this move do not fit together: ${defects.join('; ')}`,
    next: 'Please report this with the plan.',
  })
}
