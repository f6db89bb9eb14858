import type { Approval } from '../domain/approval.ts'
import type { Stack } from '../domain/stack.ts'
import { StandbyError } from '../errors/standby-error.ts'
import { reasonOf } from './approval-text.ts'
import { ofDigest, planInQuestion } from './judge-plan.ts'
import { EXECUTE } from './purpose.ts'
import { refusal, refusedFor, refuseFirst } from './refusal.ts'
import { readSignedApproval, type SignedRequest } from './signed-approval.ts'

export interface LocalRequest extends SignedRequest {
  /** The digest that was reviewed. Signatures bind it by themselves; without them it must be given. */
  readonly digest: string | null
}

/**
 * The approval of a move from the command line, by what the stack file demands. Where keys are declared, they must have
 * signed. Where only reviewers on GitHub are declared, the command line cannot replace them. Where nothing is declared,
 * the holder of the mover's credentials may move with digest and reason. The operation checks the digest and the expiry
 * of the plan, as for every approval. Pure; throws the first reason to refuse.
 */
export function judgeLocalApproval(request: LocalRequest): Approval {
  const { stack, plan, digest, signatures, requestedBy, purpose = EXECUTE } = request
  if (stack.approval.signatures !== undefined || signatures.length > 0) {
    if (digest !== null) refuseFirst(ofDigest(planInQuestion(plan), digest), `plan ${plan.id}`)
    return readSignedApproval(request)
  }
  refuseReviewed(stack)
  const reason = reasonOf(request)
  if (digest === null)
    throw refusedFor(
      refusal(
        'approval-missing',
        'the digest that was reviewed is not given',
        'Review the plan, and give its --digest.',
      ),
      `plan ${plan.id}`,
    )
  return { kind: 'local', digest, approvers: [], requestedBy, reason, proof: { purpose: { ...purpose } } }
}

function refuseReviewed({ name, approval: { github } }: Stack): void {
  if (github === undefined) return
  throw new StandbyError({
    code: 'reviewer-required',
    mustAct: 'approval',
    what: `${name} is moved by the reviewers of ${github.environments.join(' and ')}, and the stack file names no keys that could sign instead`,
    next: 'Use the failover workflow. For the day that GitHub is down, declare approval.signatures beforehand. Nothing was changed.',
  })
}
