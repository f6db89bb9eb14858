import { siteError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { clockFindings } from '../planning/clock-skew.ts'

/**
 * Throws `clock-wrong`, because evidence and records contain the time of this machine, and others read them.
 */
export function refuseWrongClock(observation: Observation): void {
  const wrong = clockFindings(observation).find(({ severity }) => severity === 'blocker')
  if (wrong === undefined) return
  throw siteError(wrong.code, wrong.what, {
    where: 'this runner',
    next: `Nothing was changed. ${wrong.next ?? ''}`.trim(),
  })
}
