import { reportReference } from '../src/drivers/guard/deploy.ts'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { type GuardReport, reportIn } from '../src/guard/report.ts'
import { loadStack } from '../src/stack/load-stack.ts'
import type { LabStack } from './stacks.ts'
import type { SiteName } from './topology.ts'
import { until } from './until.ts'

/**
 * By the guard's own word of later than `since` (milliseconds since 1970), with the witness read, nothing is left to be
 * closed: its site is shut, or it is the active one. `holdsNothing`: nor does it hold anything closed that is not
 * passive by itself.
 */
export async function guardHasJudged(
  stack: LabStack,
  site: SiteName,
  since: number,
  { deadline, holdsNothing }: { readonly deadline: number; readonly holdsNothing: boolean },
): Promise<void> {
  const { name } = await loadStack(stack.path, { drivers, witnesses })
  let said: GuardReport | null = null
  const hint = (): string => `its guard said last: ${JSON.stringify(said)}`
  await until(`the guard of ${site} to have judged it`, { deadline, every: 250, hint }, async () => {
    said = reportIn((await stack.admin[site].get(reportReference(name)).catch(() => null))?.data)
    if (said === null || Date.parse(said.at) <= since || said.witnessSilent !== null) return false
    return said.open.length === 0 && (!holdsNothing || said.closed.length === 0)
  })
}
