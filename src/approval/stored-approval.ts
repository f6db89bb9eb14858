import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { isObject } from '../values/json.ts'
import { ofDigest, ofExpiry, planInQuestion } from './judge-plan.ts'
import type { SignatureFile } from './judge-signatures.ts'
import { EXECUTE, type Purpose } from './purpose.ts'
import { type Refusal, refusal, refusedFor, refuseFirst } from './refusal.ts'
import { renewalOf } from './renewal.ts'
import { readSignedApproval } from './signed-approval.ts'

export interface StoredApproval {
  /** `runs/<run>/approval.json` of the witness, as it was read. */
  readonly stored: unknown
  readonly run: string
  readonly plan: Plan
  /** As declared now. */
  readonly stack: Stack
  readonly now: Date
}

/**
 * The signatures that a run was begun with, if they still allow to continue. They are verified again: for the same
 * digest, before the plan expires, by as many keys as the stack file demands now. After the plan has expired, the run
 * needs an approval for exactly that ({@link Purpose}). The witness does not prove any other kind of approval. Pure;
 * throws the first reason to refuse.
 */
export function judgeStoredApproval({ stored, run, plan, stack, now }: StoredApproval): Approval {
  const where = `runs/${run}/approval.json`
  const approval = approvalIn(stored)
  const question = planInQuestion(plan)
  const renew = renewalOf(stack, run, question.digest)
  if (approval === null)
    throw refusedFor(refusal('approval-unreadable', `${where} is no approval`, renew), where, [], NOTHING_NOW)
  if (approval.kind !== 'signatures')
    throw refusedFor(
      refusal('approval-unproven', `${where} says that this run was approved, but does not prove it`, renew),
      where,
      [],
      NOTHING_NOW,
    )
  const { signatures } = stack.approval
  const refusals = [
    ...ofDigest(question, approval.digest),
    ...ofPurpose(purposeIn(approval.proof.purpose), run, renew),
    ...ofExpiry(question, now.toISOString()),
    ...(signatures === undefined
      ? [
          refusal(
            'approval-not-allowed',
            `the run was approved by signatures, and the stack file of ${stack.name} names no keys`,
            renew,
          ),
        ]
      : []),
  ]
  // No new plan is suggested, because it is refused while this run is unfinished.
  refuseFirst(
    refusals.map((one) => ({ ...one, next: renew })),
    where,
    NOTHING_NOW,
  )
  return readAgain(approval, plan, stack, now, where)
}

/** Whether the stored approval claims to be signed: only signatures can be verified. */
export const isSigned = (stored: unknown): boolean => isObject(stored) && stored.kind === 'signatures'

/** Of a run that was begun. */
const NOTHING_NOW = 'Nothing was changed now.'

/**
 * An approval to finish one run does not cover another run, and an approval to take a run back does not cover
 * continuing it.
 */
function ofPurpose(purpose: Purpose | null, run: string, next: string): Refusal[] {
  const fits =
    purpose !== null && (purpose.operation === 'execute' || (purpose.operation === 'resume' && purpose.run === run))
  return fits ? [] : [refusal('approval-not-allowed', 'the stored approval is not for this run to go on', next)]
}

/** Another process verified and stored this approval: it is trusted no more than a file. */
function readAgain(
  { proof, reason, requestedBy }: Approval,
  plan: Plan,
  stack: Stack,
  now: Date,
  where: string,
): Approval {
  const listed: readonly unknown[] = Array.isArray(proof.signatures) ? proof.signatures : []
  const signatures = listed.map(
    (one, index): SignatureFile => ({
      file: `${index + 1} of ${where}`,
      text: isObject(one) && typeof one.signature === 'string' ? one.signature : '',
    }),
  )
  return readSignedApproval({
    stack,
    plan,
    signatures,
    reason: reason ?? '',
    requestedBy,
    now,
    purpose: purposeIn(proof.purpose) ?? EXECUTE,
  })
}

/** Null for anything else. Approvals of earlier versions have no purpose: they were for executing. */
function purposeIn(purpose: unknown): Purpose | null {
  if (purpose === undefined) return EXECUTE
  if (!isObject(purpose)) return null
  const { operation, run } = purpose
  if (operation === 'execute') return EXECUTE
  return (operation === 'resume' || operation === 'abort') && typeof run === 'string' ? { operation, run } : null
}

const KINDS: readonly unknown[] = ['github-environment', 'signatures', 'local'] satisfies readonly Approval['kind'][]

/** The approval in a document of the witness; a person may have edited it. */
function approvalIn(stored: unknown): Approval | null {
  if (!isObject(stored)) return null
  const { kind, digest, approvers, requestedBy, reason, proof } = stored
  const sound =
    KINDS.includes(kind) &&
    typeof digest === 'string' &&
    typeof requestedBy === 'string' &&
    (reason === null || typeof reason === 'string') &&
    isObject(proof) &&
    Array.isArray(approvers) &&
    approvers.every((one: unknown) => isObject(one) && typeof one.id === 'string' && typeof one.name === 'string')
  // The store adds the id of its write, which is not part of the approval.
  return sound ? ({ kind, digest, approvers, requestedBy, reason, proof } as Approval) : null
}
