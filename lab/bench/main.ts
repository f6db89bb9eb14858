import { parseArgs } from 'node:util'
import { openBenchLab } from './bench-lab.ts'
import { benchFailover } from './failover.ts'
import { programFigures } from './program.ts'
import { benchSwitchover } from './switchover.ts'

/**
 * Measures, side by side in one run on the running lab, what docs/benchmarks.md states: `npm run bench -- --rounds 10`. `--only switchover`,
 * `--only failover` and `--only program` keep to a part.
 */
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, only: { type: 'string', multiple: true, default: [] } },
})
const PARTS = ['program', 'switchover', 'failover']

async function bench(): Promise<void> {
  const unknown = values.only.filter((part) => !PARTS.includes(part))
  if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}: name some of ${PARTS.join(', ')}`)
  const wanted = (part: string): boolean => values.only.length === 0 || values.only.includes(part)
  const rounds = Number(values.rounds)
  const lines: string[] = wanted('program') ? await programFigures() : []
  if (wanted('switchover') || wanted('failover')) {
    const lab = await openBenchLab()
    if (wanted('switchover')) lines.push('', ...(await benchSwitchover(lab, rounds)))
    if (wanted('failover')) lines.push('', ...(await benchFailover(lab, rounds)))
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

bench().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
