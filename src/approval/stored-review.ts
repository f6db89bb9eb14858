import { isObject } from '../json.ts'
import type { Approval } from './approval.ts'
import { type Refusal, refusal } from './refusal.ts'

/**
 * Against a stored approval of reviewers that contradicts itself or its plan: of another run of GitHub, by somebody whom GitHub did not name, or by
 * who asked for the move. Pure.
 */
export function ofReview({ approvers, requestedBy, proof }: Approval, madeIn: string | null, next: string): Refusal[] {
  const run = String(proof.url)
  const approved = listIn(proof.approvals).flatMap((one) =>
    isObject(one) && one.state === 'approved' && isObject(one.user) ? [one.user] : [],
  )
  const unnamed = approvers.filter(({ id, name }) => !approved.some((user) => String(user.id) === id && user.login === name))
  // Logins are told apart without case; of who asked, no id is on record.
  const own = approvers.filter(({ name }) => name.toLowerCase() === requestedBy.toLowerCase())
  return [
    ...(proof.url === madeIn && run.endsWith(`/actions/runs/${String(proof.run)}`)
      ? []
      : [
          refusal(
            'plan-of-another-run',
            `the run was approved in ${run} (run ${String(proof.run)}), its plan made ${madeIn === null ? 'outside of GitHub' : `in ${madeIn}`}`,
            next,
          ),
        ]),
    ...unnamed.map(({ id, name }) => refusal('not-approved', `no approval of ${name} (${id}) is on record`, next)),
    ...own.map(({ name }) => refusal('approver-is-requester', `${name} asked for the move and approved it`, next)),
  ]
}

const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
