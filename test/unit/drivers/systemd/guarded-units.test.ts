import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { guardedUnits, judged } from '../../../../src/drivers/systemd/guarded-units.ts'
import type { Application } from '../../../../src/drivers/systemd/spec.ts'
import type { UnitSeen } from '../../../../src/drivers/systemd/unit-state.ts'

const A = 'dc-a' as SiteName
const unit = (more: Partial<UnitSeen> = {}): UnitSeen => ({
  load: 'loaded',
  active: 'inactive',
  sub: 'dead',
  result: 'success',
  restarts: 0,
  file: 'disabled',
  triggeredBy: [],
  stopsWithin: 90_000,
  left: false,
  queued: false,
  ...more,
})

describe('the units of an application that the guard of a machine closes', () => {
  test('are those of its own machine', () => {
    const component: Application = {
      name: 'application',
      driver: 'systemd',
      needs: [],
      spec: { units: { [A]: { one: ['web', 'worker'], two: ['web'] } } },
    }
    expect(guardedUnits.units(component, A, 'one').map((one) => one.unit)).toEqual(['web', 'worker'])
    expect(guardedUnits.units(component, A, 'three')).toEqual([])
    expect(guardedUnits.units(component, 'dc-b' as SiteName, 'one')).toEqual([])
  })

  test.each([
    [{ active: 'active', file: 'enabled' }, 'open', 'opens'],
    [{ active: 'activating', sub: 'auto-restart' }, 'open', 'opens'],
    [{ left: true }, 'open', 'opens'],
    [{ file: 'enabled' }, 'shut', 'opens'],
    [{ active: 'failed' }, 'passive', 'opens'],
    [{}, 'passive', 'opens'],
    [{ load: 'not-found', file: '' }, 'passive', 'harmless'],
  ] as const)('%j is %s, and its start %s', (properties, is, start) =>
    expect(judged('web', unit(properties))).toMatchObject({ is, start }),
  )
})
