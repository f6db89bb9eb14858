import { describe, expect, test } from '@jest/globals'
import { explore, readable } from './explore.ts'
import { PLANTED_BUGS, type PlantedBug, WHAT_IT_RESTS_ON } from './planted-bugs.ts'

const named = (bugs: readonly PlantedBug[]) => bugs.map((bug) => [bug.scenario.name, bug] as const)

function finds({ scenario, breaks }: PlantedBug): void {
  const exploration = explore(scenario)
  expect(exploration.broken?.what).toContain(breaks)
  // A person can follow it: who did what, and what was true then.
  expect(readable(exploration)).toMatch(/ {3}1 process 1 \(run 1, begin\) comes to life|dc-[ab] (dies|is cut off)/)
  expect(exploration.broken?.trace.length).toBeGreaterThan(5)
}

describe('the explorer finds a planted bug, and shows the shortest way to it', () => {
  test.each(named(PLANTED_BUGS))('%s', (_, bug) => finds(bug), 120_000)
})

describe('the explorer shows what the promises rest on', () => {
  test.each(named(WHAT_IT_RESTS_ON))('%s', (_, bug) => finds(bug), 120_000)
})
