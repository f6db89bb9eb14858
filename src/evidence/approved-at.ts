import type { Approval } from '../domain/approval.ts'
import type { Operation } from './operation.ts'

/**
 * When a move was approved, ISO 8601, as precisely as its approval says. On GitHub: when the job began that the
 * environment held back, which is later than the approval by the wait for a runner. On a terminal without required
 * approval: when the command was typed. Signatures contain no time: null. Pure.
 */
export function approvedAt({ kind, proof }: Approval, operation: Operation, begunAt: string): string | null {
  if (kind === 'local') return operation === 'execute' ? begunAt : null
  const started = kind === 'github-environment' ? proof.jobStartedAt : null
  return typeof started === 'string' && !Number.isNaN(Date.parse(started)) ? started : null
}
