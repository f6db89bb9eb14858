import type { Intent, Plan } from '../domain/plan.ts'
import type { Failure } from '../errors/standby-error.ts'
import { digestOf } from '../planning/plan-digest.ts'
import type { EvidenceBody } from './evidence-body.ts'
import type { Operation } from './operation.ts'

/**
 * The record of a request for a move that was refused before there was an approval: nothing was changed. Its content is
 * as claimed, without proof.
 */
export interface RefusalBody {
  readonly schemaVersion: 2
  readonly kind: 'refusal'
  readonly stack: string
  /** The run that was to be continued; for a run that never began, a new name. */
  readonly run: string
  readonly operation: Operation
  /** ISO 8601. */
  readonly recordedAt: string
  readonly toolVersion: string
  readonly verdict: 'refused'
  readonly failure: Failure
  /** The requester, as claimed; `from` is the page of the GitHub run, or null for a terminal. */
  readonly asked: { readonly by: string; readonly reason: string | null; readonly from: string | null }
  /** The digest that was given as the reviewed one; null where signatures should contain it. */
  readonly digest: string | null
  /** The plan that was given, or that the run has; null where none could be read. */
  readonly plan: {
    readonly id: string
    readonly digest: string
    readonly intent: Intent
    readonly madeAt: string
    readonly madeIn: string | null
    readonly expiresAt: string
  } | null
}

/** A record of the chain: of a run or of a refusal. */
export type EvidenceRecord = EvidenceBody | RefusalBody

export interface RefusalInput {
  readonly stack: string
  readonly run: string
  readonly operation: RefusalBody['operation']
  readonly asked: RefusalBody['asked']
  readonly digest: string | null
  readonly plan: Plan | null
  readonly failure: Failure
  readonly now: string
  readonly toolVersion: string
}

/** The record of a refusal. Pure. */
export function refusalOf({ plan, now, ...input }: RefusalInput): RefusalBody {
  const { stack, run, operation, toolVersion, failure, asked, digest } = input
  return {
    schemaVersion: 2,
    kind: 'refusal',
    stack,
    run,
    operation,
    recordedAt: now,
    toolVersion,
    verdict: 'refused',
    failure,
    asked,
    digest,
    plan: plan === null ? null : planOf(plan),
  }
}

const planOf = (plan: Plan): RefusalBody['plan'] => ({
  id: plan.id,
  digest: digestOf(plan),
  intent: plan.intent,
  madeAt: plan.madeAt,
  madeIn: plan.madeIn ?? null,
  expiresAt: plan.expiresAt,
})
