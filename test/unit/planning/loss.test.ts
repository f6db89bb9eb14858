import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import { cloudNativePg } from '../../../src/drivers/cloudnative-pg/driver.ts'
import { command } from '../../../src/drivers/command/driver.ts'
import { redis } from '../../../src/drivers/redis/driver.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { lossFindings, lossOf } from '../../../src/planning/loss.ts'
import { lossText } from '../../../src/reporting/move-words.ts'
import { databaseStack, theDatabase } from '../drivers/cloudnative-pg/database-stack.ts'

const drivers = { 'cloudnative-pg': cloudNativePg, redis, command } as unknown as Record<string, Driver>
const intent = (mode: Intent['mode']): Intent => ({ mode, from: 'dc-a' as SiteName, to: 'dc-b' as SiteName })
const observation = { at: '2026-11-21T06:00:00.000Z', components: {} } as unknown as Observation
const database = theDatabase() as unknown as Component
const cache = (move: string): Component =>
  ({ name: 'cache', driver: 'redis', needs: [], spec: { name: 'queue', move } }) as unknown as Component

const stackOf = (...components: Component[]): Stack => ({ ...databaseStack(theDatabase()), components })
const loss = (mode: Intent['mode'], ...components: Component[]) =>
  lossOf(stackOf(...components), observation, intent(mode), drivers)

describe('what a plan says of the loss', () => {
  test('of a switchover names the database whose last write is replayed', () => {
    expect(lossText(loss('switchover', database, cache('restore')))).toBe(
      'nothing: dc-a is stopped in good order; the last write of pg-dc-a is replayed on pg-dc-b before that is promoted; the keys of queue are dumped after its last writer stopped, and loaded on dc-b (observed 2026-11-21T06:00:00.000Z)',
    )
  })

  test('of a switchover without a database speaks of no write that is replayed', () => {
    for (const components of [[], [cache('restore')], [cache('fresh')]])
      expect(lossText(loss('switchover', ...components))).not.toContain('replayed')
    expect(loss('switchover', cache('restore')).seconds).toEqual([0, 0])
  })

  test.each([
    ['nothing that holds data', []],
    ['a cache that begins empty', [cache('fresh')]],
  ])('of a switchover of %s does not claim that nothing is lost, and does not refuse it', (_what, components) => {
    const predicted = loss('switchover', ...components)
    expect(lossText(predicted)).toMatch(
      /^an unknown amount.*no component of .* carries data over: what dc-a stores itself stays there/,
    )
    expect(lossFindings(predicted, intent('switchover'))).toEqual([])
  })

  test('of a rejoin promises evidence only where a database keeps it', () => {
    expect(lossText(loss('rejoin', database))).toBe(
      'nothing: dc-a stays active; what exists only in pg-dc-b is kept as evidence',
    )
    expect(lossText(loss('rejoin', cache('restore')))).not.toContain('evidence')
  })
})
