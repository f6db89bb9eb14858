import type { World } from '../composition/connect.ts'
import type { NamedFact } from '../domain/plan.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import { readEarlierMove } from '../evidence/earlier-move.ts'
import { type EvidenceBody, evidenceOf } from '../evidence/evidence-body.ts'
import { keepEvidence } from '../evidence/keep-evidence.ts'
import { hasFound } from '../evidence/kept-loss.ts'
import { saidBy } from '../evidence/report-in.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { TOOL_VERSION } from '../runtime/version.ts'
import { openJournal } from '../witness/journal.ts'
import type { RunOfPlan } from './run-of-plan.ts'

/**
 * Writes the record of a process of a run, even of a refused one, into the witness, and names it in the report. A
 * failure is a warning: the effects of the run are done, and its journal has them.
 */
export async function leaveEvidence(
  world: World,
  of: RunOfPlan,
  begun: Date,
  report: MoveReport,
  started: readonly NamedFact[] | null,
): Promise<MoveReport> {
  const lost = (why: string): void => sayNoEvidence(world, report.run, why)
  const body = await bodyOf(world, of, begun, report, started)
  const whole = { ...report, ...saidBy(body) }
  if (report.verdict === 'refused' && report.failure !== null && OF_THE_WITNESS.includes(report.failure.code)) {
    lost(report.failure.what)
    return whole
  }
  try {
    const kept = await keepEvidence(world.store, body)
    return { ...whole, evidence: kept.record, evidenceHead: kept.head }
  } catch (error) {
    lost(asStandbyError(error).message)
    return whole
  }
}

/** Does not wait again for a witness whose silence kept the run from beginning. */
const OF_THE_WITNESS = ['witness-silent', 'witness-unreachable', 'witness-throttled', 'witness-denied']

/** A process that could not write its record says so in its log. */
export const sayNoEvidence = (world: World, run: string, why: string): void =>
  world.log.warning(`the evidence of run ${run} could not be written: ${why}`)

async function bodyOf(
  world: World,
  { plan, approval, run, how }: RunOfPlan,
  begun: Date,
  report: MoveReport,
  started: readonly NamedFact[] | null,
): Promise<EvidenceBody> {
  const begins = report.steps.length > 0
  const follows = hasFound(plan.intent, report.steps)
    ? await readEarlierMove(world.store, { run, site: plan.intent.to })
    : null
  const journal = begins ? await openJournal(world.store, run).catch(() => ({ entries: [] })) : { entries: [] }
  return evidenceOf({
    plan,
    approval,
    operation: how === 'begin' ? 'execute' : how,
    report,
    begunAt: begun.toISOString(),
    started,
    journal: journal.entries,
    follows,
    now: world.clock.now().toISOString(),
    toolVersion: TOOL_VERSION,
  })
}
