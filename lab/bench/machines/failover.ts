import { setTimeout as sleep } from 'node:timers/promises'
import { readableDuration } from '../../../src/values/duration.ts'
import { median } from '../../../src/values/percentile.ts'
import { runLab } from '../../run-lab.ts'
import { endsOf, untilGreen } from '../../until-green.ts'
import { between } from '../bench-lab.ts'
import { inSeconds, promise, spread } from '../figures.ts'
import type { MachinesBench } from './open-bench.ts'

/** Load balancers, Sentinels and the standby leader notice a loss some seconds later. */
const NOTICED_AFTER = 12_000
/** What a failover may take beyond Patroni's own promotion and the start of the application; milliseconds. */
const MOST_OVERHEAD = 3_000

/**
 * Kills all machines of the active site at once, and makes a failover; after each the site comes back and rejoins. The
 * step that has Patroni promote counts as Patroni's own time.
 */
export async function benchMachinesFailover(bench: MachinesBench, rounds: number): Promise<string[]> {
  const green: number[] = []
  const beyond: number[] = []
  for (let round = 0; round < rounds; round++) {
    const { from, to } = endsOf(await untilGreen(bench.stack))
    await runLab('outage', from, '--how', 'kill')
    await sleep(NOTICED_AFTER)
    const report = await bench
      .move({ to, mode: 'failover', 'accept-data-loss': '15m' })
      .finally(() => runLab('heal', from))
    const took = (report.rto?.approve ?? Number.NaN) + (report.rto?.startToGreen ?? Number.NaN)
    const promotion = report.steps.find(({ id }) => id.startsWith('database.promote'))
    const own = Date.parse(promotion?.endedAt ?? '') - Date.parse(promotion?.begunAt ?? '')
    const start = between(report, 'START', 'SMOKE')
    green.push(took)
    beyond.push(took - own - (Number.isNaN(start) ? 0 : start))
    process.stderr.write(
      `standby failover to ${to}: green in ${readableDuration(took)}, promotion ${readableDuration(own)}\n`,
    )
    await bench.move({ to: from, mode: 'rejoin' })
  }
  return [
    `unplanned failover of the stack on machines, ${rounds} rounds, site killed, approval to all green:`,
    `  standby failover                                  ${spread(green)}`,
    promise(
      median(beyond) <= MOST_OVERHEAD,
      `beyond Patroni's promotion and the start of the application ${inSeconds(median(beyond))} (p50)`,
    ),
  ]
}
