import { readableDuration } from '../../src/duration.ts'
import { loseSite, returnSite } from '../lose-site.ts'
import type { OutageKind } from '../outage.ts'
import type { SiteName } from '../topology.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { type BenchLab, between } from './bench-lab.ts'
import { percentile, spread } from './figures.ts'
import { operatorPromotion } from './yardsticks.ts'

/** Processes that are gone refuse; a cut link loses every packet; a frozen site takes connections, and never answers. */
const LOSSES: readonly OutageKind[] = ['kill', 'cut', 'freeze']

/** How long each way took, round by round; milliseconds. */
interface Samples {
  /** From the approved start to all green, by how the site was lost. */
  readonly green: Map<OutageKind, number[]>
  /** Of it, after a kill: what the application needs to start, and to be found to be the right one. */
  readonly start: number[]
  readonly operator: number[]
}

/**
 * The active site is lost in each of three ways, and a failover by Standby follows; then it is killed once more, and only its operator is told to
 * promote. Between any two the lost site comes back and rejoins.
 */
export async function benchFailover(bench: BenchLab, rounds: number): Promise<string[]> {
  const samples: Samples = { green: new Map(LOSSES.map((how) => [how, []])), start: [], operator: [] }
  const ours = async (to: SiteName, how: OutageKind): Promise<string> => {
    const report = await bench.move({ to, mode: 'failover', 'accept-data-loss': '15m' })
    const took = report.rto?.startToGreen ?? Number.NaN
    samples.green.get(how)?.push(took)
    if (how === 'kill') samples.start.push(between(report, 'START', 'SMOKE'))
    return `standby failover after a ${how}: green in ${readableDuration(took)}`
  }
  const operators = async (to: SiteName): Promise<string> => {
    const { greenMs } = await operatorPromotion(bench.stack, bench.lab, to)
    samples.operator.push(greenMs)
    return `the operator's promotion alone: ${readableDuration(greenMs)}`
  }
  for (let round = 0; round < rounds; round++) {
    for (const how of LOSSES) await lostAndBack(bench, how, (to) => ours(to, how))
    await lostAndBack(bench, 'kill', operators)
  }
  return report(samples, rounds)
}

async function lostAndBack(bench: BenchLab, how: OutageKind, move: (to: SiteName) => Promise<string>): Promise<void> {
  const { stack, lab } = bench
  const { from, to } = endsOf(await untilGreen(stack, lab.programs.helm))
  await loseSite(stack, from, how)
  const said = await move(to).finally(() => returnSite(from))
  process.stderr.write(`${said}\n`)
  await bench.move({ to: from, mode: 'rejoin' })
}

function report({ green, start, operator }: Samples, rounds: number): string[] {
  const median = (values: readonly number[] | undefined): number => percentile(values ?? [], 0.5)
  const killed = median(green.get('kill'))
  const overhead = killed - median(operator)
  return [
    `unplanned failover, ${rounds} rounds of each, approved start to all green:`,
    ...LOSSES.map((how) => `  standby failover after a ${how.padEnd(24)} ${spread(green.get(how) ?? [])}`),
    `    the application's start and identity (kill)    ${spread(start)}`,
    `  the operator's promotion alone, until it settled ${spread(operator)}`,
    `failover overhead ${readableDuration(overhead)}, without the application's start ${readableDuration(overhead - median(start))} (p50, kill)`,
    ...LOSSES.filter((how) => how !== 'kill').map(
      (how) => `a site that is lost by ${how} takes ${readableDuration(median(green.get(how)) - killed)} more than a killed one (p50)`,
    ),
  ]
}
