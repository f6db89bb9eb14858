import { randomBytes } from 'node:crypto'
import type { World } from '../composition.ts'
import { asStandbyError, StandbyError } from '../errors.ts'
import { executeMove } from '../execution/execute-move.ts'
import { progressTo } from '../execution/progress.ts'
import { canonicalJson, type JsonObject } from '../json.ts'
import { factsOf, staleFacts } from '../planning/facts.ts'
import { PHASES, type Plan } from '../planning/plan.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { TOOL_VERSION } from '../version.ts'
import { refuseBlockers, refuseStrangers } from './refuse.ts'
import { type Approval, failureOf, type MoveReport, type StepReport } from './reports.ts'

/**
 * Executes an approved plan: everything is observed again, and a fact that moved beyond its tolerance refuses.
 * A refused run changes nothing. Every run that began leaves its journal and its evidence in the witness.
 */
export async function executeFailover(world: World, plan: Plan, approval: Approval): Promise<MoveReport> {
  const run = `${world.clock
    .now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '')}-${randomBytes(4).toString('hex')}`
  const begun = world.clock.now()
  const digest = digestOf(plan)
  const report = (steps: readonly StepReport[], failure: StandbyError | null, verdict: MoveReport['verdict']): MoveReport => ({
    schemaVersion: 1,
    stack: world.stack.name,
    run,
    mode: plan.intent.mode,
    from: plan.intent.from,
    to: plan.intent.to,
    planId: plan.id,
    digest,
    epoch: { before: plan.epoch, after: verdict === 'refused' ? plan.epoch : plan.epoch + 1 },
    verdict,
    phases: phasesOf(steps),
    steps,
    failure: failure === null ? null : failureOf(failure),
    duration: world.clock.now().getTime() - begun.getTime(),
    writeGap: writeGapOf(steps),
    evidence: verdict === 'refused' ? null : `runs/${run}/evidence.json`,
  })
  try {
    await refuseUnlessStillTrue(world, plan, digest, approval)
  } catch (error) {
    return report([], asStandbyError(error), 'refused')
  }
  await world.store.create(`runs/${run}/plan.json`, plan as unknown as JsonObject)
  const outcome = await executeMove({
    plan,
    digest,
    run,
    how: 'begin',
    store: world.store,
    drivers: world.drivers,
    context: world.context,
    clock: world.clock,
    progress: progressTo(world.log, world.clock, world.listener),
    signal: world.signal,
  })
  const nothingDone = outcome.steps.every((step) => step.outcome === 'not-reached' || step.phase === 'PREFLIGHT' || step.phase === 'LOCK')
  const finished = report(outcome.steps, outcome.failure, nothingDone ? 'refused' : outcome.verdict)
  await keepEvidence(world, finished, approval)
  return finished
}

/** Digest, expiry, stack file, tool, and the facts: what was approved must still be what is true. */
async function refuseUnlessStillTrue(world: World, plan: Plan, digest: string, approval: Approval): Promise<void> {
  const stale = (what: string): StandbyError =>
    new StandbyError({
      code: 'plan-stale',
      mustAct: 'approval',
      what,
      next: `Nothing was changed. Make a new plan: standby failover plan --to ${plan.intent.to}`,
    })
  if (approval.digest !== digest) throw stale(`the approval is for the digest ${approval.digest}, this plan has ${digest}`)
  if (plan.stack.name !== world.stack.name) throw stale(`the plan is for the stack ${plan.stack.name}, this is ${world.stack.name}`)
  if (plan.stack.digest !== world.stack.source.digest)
    throw stale('the stack file, or a file that it names, changed since the plan was made')
  if (plan.tool.version !== TOOL_VERSION) throw stale(`the plan was made by version ${plan.tool.version}, this is ${TOOL_VERSION}`)
  if (Date.parse(plan.expiresAt) <= world.clock.now().getTime())
    throw new StandbyError({
      code: 'plan-expired',
      mustAct: 'approval',
      what: `the plan expired at ${plan.expiresAt}`,
      next: `Nothing was changed. Make a new plan: standby failover plan --to ${plan.intent.to}`,
    })
  const observation = await world.observe()
  refuseStrangers(observation)
  const moved = staleFacts(plan.facts, factsOf(observation))
  if (moved.length > 0)
    throw stale(moved.map((fact) => `${fact.fact} was ${fact.planned} when the plan was made, is ${fact.now} now`).join('; '))
  refuseBlockers(world.findings(observation, plan.intent), 'the move')
}

function phasesOf(steps: readonly StepReport[]): MoveReport['phases'] {
  const phases = PHASES.filter((phase) => steps.some((step) => step.phase === phase))
  return phases.flatMap((phase) => {
    const times = steps.filter((step) => step.phase === phase && step.begunAt !== null && step.endedAt !== null)
    const begun = times.map((step) => step.begunAt ?? '').sort()[0]
    const ended = times
      .map((step) => step.endedAt ?? '')
      .sort()
      .at(-1)
    return begun === undefined || ended === undefined ? [] : [{ phase, begunAt: begun, endedAt: ended }]
  })
}

/** From the first step of DRAIN or FENCE to the end of TRAFFIC. */
function writeGapOf(steps: readonly StepReport[]): number | null {
  const phases = phasesOf(steps)
  const closed = phases.find((phase) => phase.phase === 'DRAIN' || phase.phase === 'FENCE')
  const opened = phases.find((phase) => phase.phase === 'TRAFFIC')
  const last = steps.filter((step) => step.phase === 'TRAFFIC')
  if (closed === undefined || opened === undefined || last.some((step) => step.endedAt === null)) return null
  return Date.parse(opened.endedAt) - Date.parse(closed.begunAt)
}

/** The record of the run, chained to the one before it by hash. Losing it is a warning: the move itself is done. */
async function keepEvidence(world: World, report: MoveReport, approval: Approval): Promise<void> {
  try {
    const { chainEvidence } = await import('../evidence/evidence-record.ts')
    const body = JSON.parse(canonicalJson({ report, approval } as unknown as JsonObject)) as JsonObject
    await chainEvidence(world.store, `runs/${report.run}/evidence.json`, body, world.clock.now())
  } catch (error) {
    world.log.warning(`the evidence of run ${report.run} could not be written: ${asStandbyError(error).message}`)
  }
}
