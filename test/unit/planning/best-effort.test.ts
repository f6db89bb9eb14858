import { describe, expect, test } from '@jest/globals'
import type { Fencing, Intent, PlannedStep } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { withBestEffort } from '../../../src/planning/best-effort.ts'
import { toyStep } from '../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const intent: Intent = { mode: 'failover', from: A, to: B }
const traffic = toyStep('traffic.close', 'DRAIN', { fence: 'traffic' })
const database = toyStep('database.fence@dc-a', 'FENCE', { fence: 'database' })
const held = toyStep('database.lock-held@dc-b', 'FENCE', { fence: 'database' })
const power = toyStep('power.switch-off', 'FENCE', { fence: 'power' })
const givenUp = (steps: readonly PlannedStep[], fencing: Fencing): string[] =>
  withBestEffort(steps, fencing, intent).flatMap(({ id, bestEffort }) => (bestEffort === undefined ? [] : [id]))

describe('what a failover can do without', () => {
  test('is each fence above the level that is demanded', () => {
    const fencing: Fencing = { required: 'traffic', planned: ['traffic', 'database', 'power'] }
    expect(givenUp([traffic, database, power], fencing)).toEqual(['database.fence@dc-a', 'power.switch-off'])
  })

  test('is no fence of the level that is demanded', () => {
    const fencing: Fencing = { required: 'database', planned: ['traffic', 'database', 'power'] }
    expect(givenUp([traffic, database, power], fencing)).toEqual(['power.switch-off'])
  })

  test('is not the power, where power alone reaches the level that is demanded', () => {
    const fencing: Fencing = { required: 'database', planned: ['traffic', 'power'] }
    expect(givenUp([traffic, power], fencing)).toEqual([])
  })

  test('is not the lock that holds the database on the new site: nothing else proves that it writes there', () => {
    const fencing: Fencing = { required: 'traffic', planned: ['traffic', 'database'] }
    expect(givenUp([traffic, database, held], fencing)).toEqual(['database.fence@dc-a'])
  })

  test('is nothing in a switchover: its site is asked to stop, and must', () => {
    const fencing: Fencing = { required: 'traffic', planned: ['traffic', 'database'] }
    const steps = withBestEffort([traffic, database], fencing, { ...intent, mode: 'switchover' })
    expect(steps.filter(({ bestEffort }) => bestEffort !== undefined)).toEqual([])
  })
})
