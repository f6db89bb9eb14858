import { readableDuration } from '../../src/duration.ts'
import type { BackupReport } from '../../src/operations/reports.ts'
import { median } from '../../src/percentile.ts'
import { loseSite, returnSite } from '../lose-site.ts'
import type { OutageKind } from '../outage.ts'
import { runStandby } from '../run-standby.ts'
import type { SiteName } from '../topology.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { type BenchLab, between } from './bench-lab.ts'
import { inSeconds, spread } from './figures.ts'
import { operatorPromotion } from './yardsticks.ts'

/** Processes that are gone refuse; a cut link loses every packet; a frozen site takes connections, and never answers; an unavailable one answers 503. */
export const LOSSES: readonly OutageKind[] = ['kill', 'cut', 'freeze', 'unavailable']

/** How long each way took, round by round; milliseconds. */
interface Samples {
  /** From the approval to all green, by how the site was lost. */
  readonly green: Map<OutageKind, number[]>
  /** Of it, after a kill: what the application needs to start, and to be found to be the right one. */
  readonly start: number[]
  readonly operator: number[]
}

/**
 * The active site is lost in each of some ways, and a failover by Standby follows; then it is killed once more, and only its operator is told to
 * promote. Between any two the lost site comes back and rejoins.
 */
export async function benchFailover(bench: BenchLab, rounds: number, losses: readonly OutageKind[]): Promise<string[]> {
  const samples: Samples = { green: new Map(losses.map((how) => [how, []])), start: [], operator: [] }
  const ours = async (to: SiteName, how: OutageKind): Promise<string> => {
    const report = await bench.move({ to, mode: 'failover', 'accept-data-loss': '15m' })
    const took = (report.rto?.approve ?? Number.NaN) + (report.rto?.startToGreen ?? Number.NaN)
    samples.green.get(how)?.push(took)
    if (how === 'kill') samples.start.push(between(report, 'START', 'SMOKE'))
    return `standby failover after a ${how}: green in ${readableDuration(took)}`
  }
  const operators = async (to: SiteName): Promise<string> => {
    const greenMs = await operatorPromotion(bench.stack, bench.lab, to)
    samples.operator.push(greenMs)
    // Not timed: a site rejoins by a copy of a backup, and the operator took none.
    const { result } = await runStandby<BackupReport>(bench.stack, 'mover', ['backup'], { helm: bench.lab.programs.helm, quiet: true })
    if (result.failure !== null) throw new Error(`the backup behind the operator's promotion failed: ${result.failure.what}`)
    return `the operator's promotion alone: ${readableDuration(greenMs)}`
  }
  for (let round = 0; round < rounds; round++) {
    for (const how of losses) await lostAndBack(bench, how, (to) => ours(to, how))
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
  const [killed, promoted] = [median(green.get('kill') ?? []), median(operator)]
  return [
    `unplanned failover, ${rounds} rounds of each, approval to all green:`,
    ...[...green].map(([how, took]) => `  standby failover after a ${how.padEnd(24)} ${spread(took)}`),
    `    the application's start and identity (kill)    ${spread(start)}`,
    `  the operator's promotion alone, until it settled ${spread(operator)}`,
    `failover overhead ${inSeconds(killed - promoted)}, without the application's start ${inSeconds(killed - promoted - median(start))} (p50, kill)`,
    ...[...green]
      .filter(([how]) => how !== 'kill')
      .map(([how, took]) => `a site that is lost by ${how} takes ${inSeconds(median(took) - killed)} more than a killed one (p50)`),
  ]
}
