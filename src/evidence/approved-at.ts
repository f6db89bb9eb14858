import type { Approval } from '../domain/approval.ts'
import type { Operation } from './operation.ts'

/**
 * When a move was allowed, ISO 8601, as near as its approval says. On GitHub: when the job began that the environment
 * held back, which is later than the click by the wait for a runner. On a terminal where nobody has to approve: when
 * the command was typed. Signatures have no time in them: null. Pure.
 */
export function approvedAt({ kind, proof }: Approval, operation: Operation, begunAt: string): string | null {
  if (kind === 'local') return operation === 'execute' ? begunAt : null
  const started = kind === 'github-environment' ? proof.jobStartedAt : null
  return typeof started === 'string' && !Number.isNaN(Date.parse(started)) ? started : null
}
