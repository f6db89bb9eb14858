import { parseArgs } from 'node:util'
import { explore, readable } from './explore.ts'
import { LARGER, SCENARIOS } from './scenarios.ts'

/** `npm run explore -- --minutes 30`: the worlds of the tests, then larger ones, each for its share of the time. */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const until = performance.now() + Number(values.minutes) * 60_000
const all = [...SCENARIOS, ...LARGER]
let states = 0
for (const [index, scenario] of all.entries()) {
  const share = (until - performance.now()) / (all.length - index)
  // 20 million worlds take about 3 GB.
  const exploration = explore(scenario, { milliseconds: Math.max(1_000, share), states: 20_000_000 })
  states += exploration.states
  process.stdout.write(`${readable(exploration)}\n`)
  if (exploration.broken !== null) process.exitCode = 1
}
process.stdout.write(`${states} states in all\n`)
