import { describe, expect, test } from '@jest/globals'
import { type Exploration, explore, readable } from './explore.ts'
import { SCENARIOS } from './scenarios.ts'

const MINUTES = 60_000

describe('in every world within its bounds there is one writer, no acknowledged write is lost, nothing happens without approval, and every run ends or names a human', () => {
  const explored: Exploration[] = []

  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (_, scenario) => {
      const exploration = explore(scenario)
      explored.push(exploration)
      if (exploration.broken !== null) throw new Error(readable(exploration))
      expect(exploration.complete).toBe(true)
    },
    5 * MINUTES,
  )

  test('these are more than a million different worlds', () => {
    const states = explored.reduce((total, one) => total + one.states, 0)
    process.stdout.write(`${explored.map(readable).join('\n')}\n${states} states in all\n`)
    expect(states).toBeGreaterThan(1_000_000)
  })

  test('all of them are explored within two minutes of processor time', () => {
    expect(explored).toHaveLength(SCENARIOS.length)
    expect(explored.reduce((total, one) => total + one.processorTime, 0)).toBeLessThan(2 * MINUTES)
  })
})
