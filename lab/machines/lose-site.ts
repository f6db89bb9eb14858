import type { WritableSpan } from '../matrix/writers.ts'
import { runLab } from '../run-lab.ts'
import type { SiteName } from '../topology.ts'
import type { MachinesEnvironment } from './environment.ts'
import { spansOnMachines } from './writers.ts'

/**
 * Cuts the power of all machines of a site, and says when that was (milliseconds since 1970). Load balancers, Sentinels
 * and replicas notice it some seconds later; until then they say that the site lives, and no failover is planned.
 * `npm run lab -- heal <site>` boots them.
 */
export async function cutPowerOf(site: SiteName): Promise<number> {
  const at = Date.now()
  await runLab('outage', site, '--how', 'kill')
  return at
}

/**
 * When the databases of all sites took writes, by their own logs. A server whose power was cut says no end: it took
 * none after the cut. Its machines must be back.
 */
export async function spansAroundLoss(
  lab: MachinesEnvironment,
  { site, at }: { readonly site: SiteName; readonly at: number },
): Promise<WritableSpan[]> {
  const spans = await spansOnMachines(lab)
  return spans.map((span) =>
    span.site === site && span.from < at ? { ...span, to: Math.min(span.to ?? at, at) } : span,
  )
}
