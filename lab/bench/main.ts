import { parseArgs } from 'node:util'
import { endWith } from '../end-with.ts'
import { STACK_ON_MACHINES } from '../lab-kind.ts'
import { LOSSES } from '../lose-site.ts'
import { openBenchLab } from './bench-lab.ts'
import { benchFailover } from './failover.ts'
import { isBroken } from './figures.ts'
import { benchMachinesFailover } from './machines/failover.ts'
import { openMachinesBench } from './machines/open-bench.ts'
import { benchMachinesSwitchover } from './machines/switchover.ts'
import { programFigures } from './program.ts'
import { benchSwitchover } from './switchover.ts'

/**
 * Measures, side by side in one run on the running lab, what docs/benchmarks.md states, ten rounds of each way: `npm
 * run bench`; `--rounds 3` is for a look. `--only switchover`, `--only failover` and `--only program` keep to a part,
 * `--lost kill` to failovers of which the site is lost in some ways; `--guide-rounds 3` follows the guide's procedure
 * less often, for it takes five minutes; `--published-size` has as many instances and replicas as the published stack.
 * `--stack infisical-on-premise` measures the stack on machines, in the lab of machines.
 * Exit code 1 if a promise about speed was not kept.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    'guide-rounds': { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    lost: { type: 'string', multiple: true, default: [...LOSSES] },
    'published-size': { type: 'boolean', default: false },
    stack: { type: 'string', default: 'infisical-kubernetes' },
  },
})
const PARTS = ['program', 'switchover', 'failover']

async function bench(): Promise<number> {
  knownOnly('--only', values.only, PARTS)
  const losses = knownOnly('--lost', values.lost, LOSSES)
  const wanted = (part: string): boolean => values.only.length === 0 || values.only.includes(part)
  const rounds = countOf('--rounds', values.rounds)
  const roundsOfTheGuide = countOf('--guide-rounds', values['guide-rounds'] ?? values.rounds)
  const lines: string[] = wanted('program') ? await programFigures() : []
  const [stack] = knownOnly('--stack', [values.stack], ['infisical-kubernetes', STACK_ON_MACHINES])
  if (stack === STACK_ON_MACHINES) lines.push('', ...(await benchMachines(wanted, rounds)))
  else if (wanted('switchover') || wanted('failover')) {
    const lab = await openBenchLab({ publishedSize: values['published-size'] })
    if (wanted('switchover')) lines.push('', ...(await benchSwitchover(lab, rounds, roundsOfTheGuide)))
    if (wanted('failover')) lines.push('', ...(await benchFailover(lab, rounds, losses)))
  }
  process.stdout.write(`${lines.join('\n')}\n`)
  return lines.some(isBroken) ? 1 : 0
}

async function benchMachines(wanted: (part: string) => boolean, rounds: number): Promise<string[]> {
  if (!wanted('switchover') && !wanted('failover')) return []
  const bench = await openMachinesBench()
  return [
    ...(wanted('switchover') ? await benchMachinesSwitchover(bench, rounds) : []),
    ...(wanted('failover') ? ['', ...(await benchMachinesFailover(bench, rounds))] : []),
  ]
}

function countOf(option: string, text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new Error(`${option} ${text} is no number of rounds`)
  return count
}

/** What was asked for, if all of it exists. */
function knownOnly<T extends string>(option: string, asked: readonly string[], known: readonly T[]): T[] {
  const unknown = asked.filter((name) => !known.includes(name as T))
  if (unknown.length > 0)
    throw new Error(`${option} ${unknown.join(', ')} is not known: name some of ${known.join(', ')}`)
  return asked as T[]
}

endWith(bench())
