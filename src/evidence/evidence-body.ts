import type { Approval } from '../domain/approval.ts'
import type { Finding, Intent, NamedFact, Plan } from '../domain/plan.ts'
import type { Failure } from '../errors/standby-error.ts'
import type { StepReport } from '../execution/step-report.ts'
import type { JournalEntry } from '../witness/journal.ts'
import { approvedAt } from './approved-at.ts'
import { type Deviation, deviationsOf } from './deviations.ts'
import { type FollowedMove, foundLoss, type Losses } from './kept-loss.ts'
import { countedLoss } from './measured-loss.ts'
import { type MoveTimes, moveTimes } from './move-times.ts'
import type { MoveVerdict, Operation } from './operation.ts'
import { type ReachedFence, reachedFence } from './reached-fence.ts'
import { failedIn, givenUpIn, processesIn, recordedSteps } from './recorded-steps.ts'
import type { MoveReport } from './reports.ts'
import { writeGapOf } from './step-times.ts'

/** The record of one process of a run, including refused runs. Fields that a refused run lacks are null or empty. */
export interface EvidenceBody {
  readonly schemaVersion: 2
  readonly kind: 'move'
  readonly stack: string
  readonly run: string
  readonly operation: Operation
  /** When the record was made, ISO 8601. */
  readonly recordedAt: string
  /** The version that executed; the plan names the one that planned. */
  readonly toolVersion: string
  readonly verdict: MoveVerdict
  readonly failure: Failure | null
  readonly asked: { readonly by: string; readonly reason: string | null }
  /** Who approved it, and the proof of that; its `digest` is that of the plan they read. */
  readonly approval: Approval
  /** ISO 8601, as `approvedAt()` knows it; null where the proof of the approval has no time. */
  readonly approvedAt: string | null
  readonly plan: {
    readonly id: string
    readonly digest: string
    readonly intent: Intent
    readonly stackDigest: string
    readonly toolVersion: string
    readonly madeAt: string
    readonly madeIn: string | null
    readonly expiresAt: string
    readonly findings: readonly Finding[]
    readonly liveness: Plan['liveness']
    readonly predictions: Plan['predictions']
  }
  readonly epoch: MoveReport['epoch']
  readonly facts: {
    /** As observed when the plan was made. */
    readonly planned: readonly NamedFact[]
    /**
     * The approved facts: the planned ones, bound by the digest. The approval itself observes nothing. `at` is
     * `approvedAt`.
     */
    readonly approved: { readonly digest: string; readonly at: string | null }
    /**
     * As observed right before the first effect, or before the refusal; null where the run ended earlier, or was
     * continued.
     */
    readonly started: readonly NamedFact[] | null
  }
  /** Every process that worked on the run, the first one first; empty when it was refused before it began. */
  readonly processes: readonly { readonly attempt: number; readonly at: string }[]
  readonly steps: readonly StepReport[]
  readonly fence: ReachedFence
  readonly loss: Losses
  readonly rto: MoveTimes
  readonly writeGap: MoveReport['writeGap']
  readonly deviations: readonly Deviation[]
}

export interface EvidenceInput {
  readonly plan: Plan
  readonly approval: Approval
  readonly operation: Operation
  readonly report: MoveReport
  /** When this process began. */
  readonly begunAt: string
  /** The facts right before the first effect. */
  readonly started?: readonly NamedFact[] | null
  /** The journal of the run; empty where it never began. */
  readonly journal: readonly JournalEntry[]
  /** For a rejoin that found a loss: the move before it. */
  readonly follows?: FollowedMove | null
  readonly now: string
  readonly toolVersion: string
}

/**
 * The record of a run, made when one of its processes ends. Pure. Contains no secret, because plans and proofs contain
 * none.
 */
export function evidenceOf(input: EvidenceInput): EvidenceBody {
  const { plan, approval, report, journal } = input
  const allowedAt = approvedAt(approval, input.operation, input.begunAt)
  const started = input.started ?? null
  const processes = processesIn(journal)
  const begunAt = [input.begunAt, ...processes.map(({ at }) => at)].sort()[0] ?? input.begunAt
  const steps = recordedSteps(report.steps, journal)
  const fence = reachedFence(plan, steps)
  const counted = countedLoss(plan.intent, steps)
  const found = foundLoss(plan.intent, steps, input.follows ?? null)
  const { verdict, failure, epoch, run, stack, digest } = report
  const writeGap = writeGapOf({ mode: plan.intent.mode, verdict, steps, journal })
  return {
    schemaVersion: 2,
    kind: 'move',
    stack,
    run,
    operation: input.operation,
    recordedAt: input.now,
    toolVersion: input.toolVersion,
    verdict,
    failure,
    asked: { by: approval.requestedBy, reason: approval.reason },
    approval,
    approvedAt: allowedAt,
    plan: {
      id: plan.id,
      digest,
      intent: plan.intent,
      stackDigest: plan.stack.digest,
      toolVersion: plan.tool.version,
      madeAt: plan.madeAt,
      madeIn: plan.madeIn ?? null,
      expiresAt: plan.expiresAt,
      findings: plan.findings,
      liveness: plan.liveness,
      predictions: plan.predictions,
    },
    epoch,
    facts: { planned: plan.facts, approved: { digest: approval.digest, at: allowedAt }, started },
    processes,
    steps,
    fence,
    loss: { predicted: plan.predictions.loss, counted, ...(found === null ? {} : { found }) },
    rto: moveTimes({ plan, approvedAt: allowedAt, begunAt, steps }),
    writeGap,
    deviations: deviationsOf(plan, {
      verdict,
      steps,
      failed: failedIn(journal),
      givenUp: givenUpIn(journal),
      started,
      fence,
      lost: counted,
      found,
      writeGap,
    }),
  }
}
