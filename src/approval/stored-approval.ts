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
 * The signatures that a run was begun with, if they still allow to continue: verified again, for the same digest, the
 * plan not expired, by as many as the stack file demands now. Once the plan has expired, a run that was begun is
 * brought to its end with an approval for just that ({@link Purpose}). Of every other kind of approval, what lies in
 * the witness proves nothing. Pure; throws the first reason against it.
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
      refusal('approval-unproven', `${where} says that this run was approved, and proves nothing`, renew),
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
  // A new plan would be refused: this run is not finished.
  refuseFirst(
    refusals.map((one) => ({ ...one, next: renew })),
    where,
    NOTHING_NOW,
  )
  return readAgain(approval, plan, stack, now, where)
}

/** Whether what lies there claims to be signed: only that can be verified. */
export const isSigned = (stored: unknown): boolean => isObject(stored) && stored.kind === 'signatures'

/** Of a run that was begun. */
const NOTHING_NOW = 'Nothing was changed now.'

/**
 * What was approved for the end of one run is no approval of another, and who approved to take a run back did not
 * approve to go on.
 */
function ofPurpose(purpose: Purpose | null, run: string, next: string): Refusal[] {
  const fits =
    purpose !== null && (purpose.operation === 'execute' || (purpose.operation === 'resume' && purpose.run === run))
  return fits ? [] : [refusal('approval-not-allowed', 'the stored approval is not for this run to go on', next)]
}

/** What lies in the witness was verified by another process: it is believed no more than a file. */
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

/** Null for what is no purpose. Approvals of earlier versions say none: they were for executing. */
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
  // The store adds an id of its write, which is no part of the approval.
  return sound ? ({ kind, digest, approvers, requestedBy, reason, proof } as Approval) : null
}
