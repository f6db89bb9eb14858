import type { Intent, Plan } from '../domain/plan.ts'
import type { Failure } from '../errors/standby-error.ts'
import { digestOf } from '../planning/plan-digest.ts'
import type { EvidenceBody } from './evidence-body.ts'
import type { Operation } from './operation.ts'

/**
 * The record of somebody who asked for a move and was refused before there was an approval: nothing was changed. What
 * is in it was said, and proven by nobody.
 */
export interface RefusalBody {
  readonly schemaVersion: 2
  readonly kind: 'refusal'
  readonly stack: string
  /** The run that was to be continued; for one that was never begun, a name of its own. */
  readonly run: string
  readonly operation: Operation
  /** ISO 8601. */
  readonly recordedAt: string
  readonly toolVersion: string
  readonly verdict: 'refused'
  readonly failure: Failure
  /** As they called themselves; `from` is the page of the GitHub run, or null for a terminal. */
  readonly asked: { readonly by: string; readonly reason: string | null; readonly from: string | null }
  /** The digest that was handed over as the reviewed one; null where signatures should say it. */
  readonly digest: string | null
  /** The plan that was handed over, or that the run has; null where there was none that could be read. */
  readonly plan: {
    readonly id: string
    readonly digest: string
    readonly intent: Intent
    readonly madeAt: string
    readonly madeIn: string | null
    readonly expiresAt: string
  } | null
}

/** A record of the chain. */
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
