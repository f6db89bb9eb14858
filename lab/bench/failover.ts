import type { BackupReport } from '../../src/evidence/reports.ts'
import { readableDuration } from '../../src/values/duration.ts'
import { median } from '../../src/values/percentile.ts'
import { type Loss, loseSite, returnSite } from '../lose-site.ts'
import { runStandby } from '../run-standby.ts'
import type { SiteName } from '../topology.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { type BenchLab, between } from './bench-lab.ts'
import { inSeconds, promise, spread } from './figures.ts'
import { operatorPromotion } from './yardsticks.ts'

/** How long each way took, round by round; milliseconds. */
interface Samples {
  /** From the approval to all green, by how the site was lost. */
  readonly green: Map<Loss, number[]>
  /** Of it, after a kill: what the application needs to start, and to be found to be the right one. */
  readonly start: number[]
  readonly operator: number[]
}

/**
 * Loses the active site in each way and makes a failover with Standby; then kills it once more, and has only the
 * operator promote the other site. After each failover the lost site comes back and rejoins.
 */
export async function benchFailover(bench: BenchLab, rounds: number, losses: readonly Loss[]): Promise<string[]> {
  const samples: Samples = { green: new Map(losses.map((how) => [how, []])), start: [], operator: [] }
  const ours = async (to: SiteName, how: Loss): Promise<string> => {
    const report = await bench.move({ to, mode: 'failover', 'accept-data-loss': '15m' })
    const took = (report.rto?.approve ?? Number.NaN) + (report.rto?.startToGreen ?? Number.NaN)
    samples.green.get(how)?.push(took)
    if (how === 'kill') samples.start.push(between(report, 'START', 'SMOKE'))
    const givenUp = report.steps.flatMap(({ id, outcome }) => (outcome === 'given-up' ? [`, without ${id}`] : []))
    return `standby failover, site lost by ${how}: green in ${readableDuration(took)}${givenUp.join('')}`
  }
  const operators = async (to: SiteName): Promise<string> => {
    const greenMs = await operatorPromotion(bench.stack, bench.lab, to)
    samples.operator.push(greenMs)
    // Not timed: a site rejoins by a copy of a backup, and the operator took none.
    const { result } = await runStandby<BackupReport>(bench.stack, 'mover', ['backup'], {
      helm: bench.lab.programs.helm,
      quiet: true,
    })
    if (result.failure !== null)
      throw new Error(`the backup after the operator's promotion failed: ${result.failure.what}`)
    return `the operator's promotion alone: ${readableDuration(greenMs)}`
  }
  for (let round = 0; round < rounds; round++) {
    for (const how of losses) await lostAndBack(bench, how, (to) => ours(to, how))
    await lostAndBack(bench, 'kill', operators)
  }
  return report(samples, rounds)
}

async function lostAndBack(bench: BenchLab, how: Loss, move: (to: SiteName) => Promise<string>): Promise<void> {
  const { stack, lab } = bench
  const { from, to } = endsOf(await untilGreen(stack, lab.programs.helm))
  await loseSite(stack, from, how)
  const said = await move(to).finally(() => returnSite(stack, from))
  process.stderr.write(`${said}\n`)
  await bench.move({ to: from, mode: 'rejoin' })
}

function report({ green, start, operator }: Samples, rounds: number): string[] {
  const killed = median(green.get('kill') ?? [])
  const overhead = killed - median(operator)
  return [
    `unplanned failover, ${rounds} rounds of each, approval to all green:`,
    ...[...green].map(([how, took]) => `  standby failover, site lost by ${how.padEnd(17)} ${spread(took)}`),
    `    the application's start and identity (kill)    ${spread(start)}`,
    `  the operator's promotion alone, until it settled ${spread(operator)}`,
    promise(
      overhead - median(start) <= MOST_OVERHEAD,
      `failover overhead ${inSeconds(overhead)}, without the application's start ${inSeconds(overhead - median(start))} (p50, kill)`,
    ),
    ...[...green]
      .filter(([how]) => how !== 'kill')
      .map(([how, took]) => {
        const more = median(took) - killed
        return promise(
          more <= MOST_MORE,
          `a site that is lost by ${how} takes ${inSeconds(more)} more than a killed one (p50)`,
        )
      }),
  ]
}

/**
 * What an unplanned failover may take beyond the operator's own promotion and the application's start; milliseconds.
 */
const MOST_OVERHEAD = 2_000
/** What a site may cost more that is not simply gone, but silent, frozen or unavailable. */
const MOST_MORE = 3_000
