import type { StepRun } from '../../planning/driver.ts'
import type { SiteName } from '../../stack/stack.ts'
import type { RedisSpec } from './spec.ts'

export type Run = StepRun<RedisSpec>

export function siteOf(run: Run): SiteName {
  if (run.step.site === null) throw new Error(`${run.step.id} names no site`)
  return run.step.site
}

export const kubernetesOf = (run: Run) => run.context.kubernetes(siteOf(run))
