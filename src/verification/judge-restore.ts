import type { Check, Verdict } from '../domain/restore-test.ts'

/** The verdict over all checks. No check at all proves nothing, and our own trouble is never green. */
export function verdictOf(checks: readonly Check[]): Verdict {
  const some = (outcome: Check['outcome']): boolean => checks.some((check) => check.outcome === outcome)
  if (some('fail')) return 'not-restorable'
  if (checks.length === 0 || some('inconclusive')) return 'inconclusive'
  return some('objective-missed') ? 'degraded' : 'restorable'
}
