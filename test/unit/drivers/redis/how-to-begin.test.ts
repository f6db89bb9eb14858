import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type CacheSituation, refusalOf } from '../../../../src/drivers/redis/how-to-begin.ts'

const dump = { takenAt: '2026-11-21T05:00:00Z' } as CacheSituation['dump']
const lost: CacheSituation = {
  role: 'active',
  epoch: 3,
  adopt: false,
  server: 'absent',
  atActive: true,
  volume: 'absent',
  dump,
  move: 'restore',
}

test('no deploy makes an empty Redis on the active site where a dump of it exists, or may exist', () => {
  expect(refusalOf(lost)).toBe('active-cache-missing')
  expect(refusalOf({ ...lost, dump: 'unreadable' })).toBe('active-cache-missing')
  expect(refusalOf({ ...lost, volume: 'unknown' })).toBe('active-cache-missing')
})

test.each<[string, Partial<CacheSituation>]>([
  ['on a passive site', { role: 'passive' }],
  ['with its volume', { volume: 'there' }],
  ['that may begin empty', { move: 'fresh' }],
  ['in a first deploy', { epoch: null }],
  ['of which there was never a dump', { dump: null }],
])('a Redis %s is made', (_, change) => {
  expect(refusalOf({ ...lost, ...change })).toBeNull()
})

test('a Redis that other hands made is taken over on demand only, whatever else is true', () => {
  const situations = fc.record({
    role: fc.constantFrom('active', 'passive'),
    epoch: fc.constantFrom(null, 1, 7),
    adopt: fc.boolean(),
    server: fc.constant('others'),
    atActive: fc.constant(true),
    volume: fc.constantFrom('absent', 'there', 'unknown'),
    dump: fc.constantFrom(null, 'unreadable', dump),
    move: fc.constantFrom('restore', 'fresh'),
  }) as fc.Arbitrary<CacheSituation>
  fc.assert(fc.property(situations, (situation) => refusalOf(situation) === (situation.adopt ? null : 'made-by-others')))
})

test('the only Redis that there is, is adopted on the active site alone: whoever names the wrong site loses nothing', () => {
  const only: CacheSituation = { ...lost, role: 'passive', epoch: null, adopt: true, server: 'others', atActive: false, dump: null }
  expect(refusalOf(only)).toBe('only-on-passive-site')
  expect(refusalOf({ ...only, role: 'active' })).toBeNull()
  expect(refusalOf({ ...only, atActive: true })).toBeNull()
  // The witness names the active site by now.
  expect(refusalOf({ ...only, epoch: 3 })).toBeNull()
  expect(refusalOf({ ...only, move: 'fresh' })).toBeNull()
})
