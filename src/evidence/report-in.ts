import type { EvidenceBody } from './evidence-body.ts'
import type { MoveReport } from './reports.ts'
import { phasesOf } from './step-times.ts'

/** The report that a record was made from, for the code that shows reports. */
export function reportIn(body: EvidenceBody, evidence: string | null = null): MoveReport {
  const { plan, stack, run, epoch, verdict, failure } = body
  const { mode, from, to } = plan.intent
  const begun = body.processes.at(-1)?.at ?? body.recordedAt
  return {
    schemaVersion: 1,
    stack,
    run,
    mode,
    from,
    to,
    planId: plan.id,
    digest: plan.digest,
    epoch,
    verdict,
    failure,
    duration: Math.max(0, Date.parse(body.recordedAt) - Date.parse(begun)),
    evidence,
    ...saidBy(body),
  }
}

/**
 * The part of a report that comes from the record of its run: what other processes did, who asked and who approved, and
 * the deviations.
 */
export function saidBy(body: EvidenceBody) {
  const { operation, asked, approval, steps, writeGap, fence, loss, rto, deviations, processes } = body
  const { kind, approvers } = approval
  return {
    operation,
    asked,
    approved: { kind, approvers },
    steps,
    phases: phasesOf(steps),
    processes: processes.length,
    writeGap,
    fence,
    loss,
    rto,
    deviations,
  }
}
