import { parseArgs } from 'node:util'
import { endWith } from '../end-with.ts'
import { LOSSES } from '../lose-site.ts'
import { openBenchLab } from './bench-lab.ts'
import { benchFailover } from './failover.ts'
import { isBroken } from './figures.ts'
import { programFigures } from './program.ts'
import { benchSwitchover } from './switchover.ts'

/**
 * Measures, side by side in one run on the running lab, what docs/benchmarks.md states: `npm run bench -- --rounds 10`. `--only switchover`,
 * `--only failover` and `--only program` keep to a part; `--lost kill` to failovers of which the site is lost in some ways. Exit code 1 if a promise about speed was not kept.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', multiple: true, default: [] },
    lost: { type: 'string', multiple: true, default: [...LOSSES] },
  },
})
const PARTS = ['program', 'switchover', 'failover']

async function bench(): Promise<number> {
  knownOnly('--only', values.only, PARTS)
  const losses = knownOnly('--lost', values.lost, LOSSES)
  const wanted = (part: string): boolean => values.only.length === 0 || values.only.includes(part)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds} is no number of rounds`)
  const lines: string[] = wanted('program') ? await programFigures() : []
  if (wanted('switchover') || wanted('failover')) {
    const lab = await openBenchLab()
    if (wanted('switchover')) lines.push('', ...(await benchSwitchover(lab, rounds)))
    if (wanted('failover')) lines.push('', ...(await benchFailover(lab, rounds, losses)))
  }
  process.stdout.write(`${lines.join('\n')}\n`)
  return lines.some(isBroken) ? 1 : 0
}

/** What was asked for, if all of it exists. */
function knownOnly<T extends string>(option: string, asked: readonly string[], known: readonly T[]): T[] {
  const unknown = asked.filter((name) => !known.includes(name as T))
  if (unknown.length > 0) throw new Error(`${option} ${unknown.join(', ')} is not known: name some of ${known.join(', ')}`)
  return asked as T[]
}

endWith(bench())
