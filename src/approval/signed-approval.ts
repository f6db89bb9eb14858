import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { RequiredSignatures, Stack } from '../domain/stack.ts'
import { inputError } from '../errors/standby-error.ts'
import { approvalText, type Request, reasonOf, SIGNATURE_NAMESPACE } from './approval-text.ts'
import { ofExpiry, planInQuestion } from './judge-plan.ts'
import { judgeSignatures, type SignatureFile } from './judge-signatures.ts'
import { EXECUTE, isBoundByExpiry, type Purpose } from './purpose.ts'
import { refuseFirst } from './refusal.ts'

export interface SignedRequest {
  readonly stack: Stack
  readonly plan: Plan
  readonly signatures: readonly SignatureFile[]
  readonly reason: string
  readonly requestedBy: string
  readonly now: Date
  /** To execute, when absent. */
  readonly purpose?: Purpose
}

/**
 * The approval by k of n signatures over the {@link approvalText} of this plan, reason and requester. Needs no network.
 * Throws the first reason to refuse, and names all: `plan-expired`, `approval-missing`, `signature-*`,
 * `signatures-too-few`, `signer-is-requester`. Pure.
 */
export function readSignedApproval({
  stack,
  plan,
  signatures,
  reason,
  requestedBy,
  now,
  purpose = EXECUTE,
}: SignedRequest): Approval {
  const declared = signaturesOf(stack)
  const request: Request = { reason, requestedBy, purpose }
  const text = approvalText(plan, request)
  const question = planInQuestion(plan)
  const expired = isBoundByExpiry(purpose) ? ofExpiry(question, now.toISOString()) : []
  const { refusals, signers } = judgeSignatures({ declared, text, requestedBy, signatures })
  refuseFirst([...expired, ...refusals], `plan ${plan.id}`)
  return {
    kind: 'signatures',
    digest: question.digest,
    approvers: signers.map((signer) => ({ id: signer.fingerprint, name: signer.name })),
    requestedBy,
    reason: reasonOf(request),
    proof: {
      purpose: { ...purpose },
      namespace: SIGNATURE_NAMESPACE,
      required: declared.required,
      text,
      signatures: signers.map((signer) => ({ ...signer })),
    },
  }
}

/** The signatures that a stack demands. Throws `signatures-not-declared`. */
export function signaturesOf(stack: Stack): RequiredSignatures {
  if (stack.approval.signatures !== undefined) return stack.approval.signatures
  throw inputError('signatures-not-declared', `the stack file of ${stack.name} names no keys that could sign`, {
    next: 'Add approval.signatures: { required, keys }.',
  })
}
