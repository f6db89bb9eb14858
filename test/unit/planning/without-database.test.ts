import { describe, expect, test } from '@jest/globals'
import type { FenceLevel } from '../../../src/domain/fence-levels.ts'
import type { Liveness } from '../../../src/domain/liveness.ts'
import type { Intent } from '../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import { drivers as all } from '../../../src/drivers/registry.ts'
import { requiredFence } from '../../../src/planning/required-fence.ts'
import { toyStack } from '../../support/toy-stack.ts'

const stackOf = (kinds: readonly string[], fencing: Stack['fencing'] = {} as Stack['fencing']): Stack => ({
  ...toyStack,
  fencing,
  components: kinds.map((driver) => ({ name: driver, driver, needs: [], spec: {} }) as unknown as Component),
})
const required = (stack: Stack, mode: Intent['mode'], is: Liveness['is'], drivers = all): FenceLevel | null =>
  requiredFence(
    stack,
    { mode, from: 'dc-a' as SiteName, to: 'dc-b' as SiteName },
    { site: 'dc-a' as SiteName, is, sightings: [] },
    drivers,
  )

describe('the fence of a stack', () => {
  const stateless = ['helm-release', 'haproxy', 'redis', 'guard', 'command']

  test('without a database is its application: a level that nothing can reach would refuse every move', () => {
    expect(required(stackOf(stateless), 'switchover', 'up')).toBe('application')
    expect(required(stackOf(stateless), 'failover', 'up')).toBe('application')
    expect(required(stackOf(stateless), 'failover', 'down')).toBe('traffic')
  })

  test('with a database is the database wherever it was', () => {
    const whole = [...stateless, 'cloudnative-pg']
    expect(required(stackOf(whole), 'switchover', 'up')).toBe('database')
    expect(required(stackOf(whole), 'failover', 'up')).toBe('database')
    expect(required(stackOf(whole), 'failover', 'down')).toBe('traffic')
  })

  test('is what was declared, with or without a database', () => {
    for (const level of ['database', 'power'] as const)
      expect(
        required(stackOf(stateless, { switchover: level, failover: level } as Stack['fencing']), 'failover', 'up'),
      ).toBe(level)
  })
})
