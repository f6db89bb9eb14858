import type { MoveReport } from '../operations/reports.ts'
import type { EvidenceBody } from './evidence-body.ts'

/** The report that a record was made of, for whatever shows reports. Phases are left to the steps. */
export function reportIn(body: EvidenceBody, evidence: string | null = null): MoveReport {
  const { plan, stack, run, epoch, verdict, steps, failure, writeGap, fence, loss, rto } = body
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
    phases: [],
    steps,
    failure,
    duration: Math.max(0, Date.parse(body.recordedAt) - Date.parse(begun)),
    processes: body.processes.length,
    writeGap,
    evidence,
    fence,
    loss,
    rto,
  }
}
