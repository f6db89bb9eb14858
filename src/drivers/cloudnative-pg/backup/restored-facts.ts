import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import {
  amcheck,
  corruptionIn,
  factsQuery,
  type RestoredFacts,
  restoredFacts,
} from '../../../systems/postgres/restored-facts.ts'
import { minutes } from '../../../values/duration.ts'
import { primaryPod, runSql } from '../objects.ts'
import type { Database } from '../spec.ts'
import { restoredCluster } from './restore-copy.ts'

/** Asks the restored copy; the only thing that is written to it is the extension amcheck. */
export async function askCopy(
  component: Database,
  sandbox: Sandbox,
  tables: readonly string[],
  context: DriverContext,
): Promise<RestoredFacts> {
  const kubernetes = context.platform(KUBERNETES, sandbox.site)
  const pod = await primaryPod(kubernetes, sandbox.namespace, restoredCluster(component), context.signal)
  const { database } = component.spec
  const rows = await runSql(kubernetes, pod, database, factsQuery(tables), context.signal)
  const found = corruptionIn(
    await kubernetes.exec(pod, amcheck(database), { deadline: minutes(30), signal: context.signal }),
  )
  if (!('unknown' in found)) return restoredFacts(rows, found)
  context.log.debug(`amcheck is not available: ${found.unknown}`)
  return restoredFacts(rows, null)
}
