import { readableDuration } from '../../src/duration.ts'
import { loseSite } from '../lose-site.ts'
import { runLab } from '../run-lab.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { type BenchLab, between } from './bench-lab.ts'
import { percentile, spread } from './figures.ts'
import { operatorPromotion } from './yardsticks.ts'

interface Samples {
  readonly green: number[]
  /** What the application needs to start, and to be found to be the right one. */
  readonly start: number[]
  readonly operator: number[]
}

/**
 * The active site is killed; once a failover by Standby, from its approved start to all green, once the operator's own promotion and nothing else.
 * Between two rounds the lost site comes back and rejoins.
 */
export async function benchFailover(bench: BenchLab, rounds: number): Promise<string[]> {
  const { stack, lab } = bench
  const samples: Samples = { green: [], start: [], operator: [] }
  const ways = [
    async (to: 'dc-a' | 'dc-b') => {
      const report = await bench.move({ to, mode: 'failover', 'accept-data-loss': '15m' })
      samples.green.push(between(report, 'PREFLIGHT', 'GREEN'))
      samples.start.push(between(report, 'START', 'SMOKE'))
      return `standby failover: green ${readableDuration(samples.green.at(-1) ?? 0)}`
    },
    async (to: 'dc-a' | 'dc-b') => {
      samples.operator.push((await operatorPromotion(stack, lab, to)).greenMs)
      return `operator's promotion: ${readableDuration(samples.operator.at(-1) ?? 0)}`
    },
  ]
  for (let round = 0; round < rounds; round++)
    for (const way of ways) {
      const { from, to } = endsOf(await untilGreen(stack, lab.programs.helm))
      await loseSite(stack, from, 'kill')
      const said = await way(to).finally(() => runLab('heal', from))
      process.stderr.write(`${said}\n`)
      await bench.move({ to: from, mode: 'rejoin' })
    }
  return report(samples, rounds)
}

function report({ green, start, operator }: Samples, rounds: number): string[] {
  const [ours, theirs, application] = [green, operator, start].map((values) => percentile(values, 0.5))
  const overhead = (ours ?? Number.NaN) - (theirs ?? Number.NaN)
  return [
    `unplanned failover after a kill, ${rounds} rounds of each:`,
    `  standby failover, approved start to all green    ${spread(green)}`,
    `    of it the application's start and identity     ${spread(start)}`,
    `  the operator's promotion alone, until it settled ${spread(operator)}`,
    `failover overhead ${readableDuration(overhead)}, without the application's start ${readableDuration(overhead - (application ?? Number.NaN))} (p50)`,
  ]
}
