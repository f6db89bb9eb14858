import { reportReference } from '../src/drivers/guard/deploy.ts'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import type { GuardReport } from '../src/guard/report.ts'
import { reportIn } from '../src/guard/report.ts'
import { loadStack } from '../src/stack/load-stack.ts'
import { readActive, replaceActive } from '../src/witness/active.ts'
import type { LabStack } from './stacks.ts'
import type { SiteName } from './topology.ts'
import { until } from './until.ts'
import { witnessOf } from './witness.ts'

/**
 * Has the guard of the active site shut it although no other site serves: writes another site into the witness, and
 * puts it right again, each with a new epoch, because a guard believes no older record. Returns when
 * the guard stands by, and all that it shut is still shut.
 */
export async function shutByGuard(stack: LabStack, active: SiteName, other: SiteName): Promise<void> {
  const store = await witnessOf(stack)
  const name = async (site: SiteName): Promise<void> => {
    const found = await readActive(store)
    if (found === null) throw new Error('the witness knows no active site')
    const since = new Date().toISOString()
    await replaceActive(
      store,
      { ...found.record, activeSite: site, epoch: found.record.epoch + 1, since, run: 'by-hand' },
      found,
    )
  }
  await name(other)
  const closed = await guardSays(
    stack,
    active,
    ({ decision, closed, open }) => decision === 'close' && closed.length > 0 && open.length === 0,
  )
  if (!closed.closed.some((step) => step.startsWith('database.')))
    throw new Error(`the guard shut ${closed.closed.join(', ')} alone`)
  await name(active)
  await guardSays(stack, active, ({ decision, because }) => decision === 'stand-by' && because === 'active')
}

async function guardSays(
  stack: LabStack,
  site: SiteName,
  enough: (report: GuardReport) => boolean,
): Promise<GuardReport> {
  const { name } = await loadStack(stack.path, { drivers, witnesses })
  let said: GuardReport | null = null
  const hint = (): string => `its guard said last: ${JSON.stringify(said)}`
  await until(`the guard of ${site} to act on the witness`, { deadline: 120_000, every: 500, hint }, async () => {
    said = reportIn((await stack.admin[site].get(reportReference(name)).catch(() => null))?.data)
    return said !== null && enough(said)
  })
  if (said === null) throw new Error(`the guard of ${site} never reported`)
  return said
}
