import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { ObjectReference } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { assertMayBegin, type CacheSituation, refusalOf } from '../../../../src/drivers/redis/how-to-begin.ts'
import type { Cache } from '../../../../src/drivers/redis/spec.ts'
import { toyStack } from '../../../support/toy-stack.ts'

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
  fc.assert(
    fc.property(situations, (situation) => refusalOf(situation) === (situation.adopt ? null : 'made-by-others')),
  )
})

test('the only Redis that there is, is adopted on the active site alone: naming the wrong site loses nothing', () => {
  const only: CacheSituation = {
    ...lost,
    role: 'passive',
    epoch: null,
    adopt: true,
    server: 'others',
    atActive: false,
    dump: null,
  }
  expect(refusalOf(only)).toBe('only-on-passive-site')
  expect(refusalOf({ ...only, role: 'active' })).toBeNull()
  expect(refusalOf({ ...only, atActive: true })).toBeNull()
  // The component is new to a stack that was deployed before: an empty one would begin on the active site, whatever the
  // witness says.
  expect(refusalOf({ ...only, epoch: 3 })).toBe('only-on-passive-site')
  expect(refusalOf({ ...only, epoch: 3, atActive: true })).toBeNull()
  expect(refusalOf({ ...only, epoch: 3, move: 'fresh' })).toBeNull()
  expect(refusalOf({ ...only, epoch: 3, server: 'ours' })).toBeNull()
})

describe('a Redis that other hands made on a passive site, after the first deploy', () => {
  const [A, B, C] = ['dc-a' as SiteName, 'dc-b' as SiteName, 'dc-c' as SiteName]
  const adoptedAt = (site: SiteName, setsAt: readonly SiteName[], epoch: number | null = 2) => {
    const context = {
      stack: toyStack,
      signal: new AbortController().signal,
      platform: (_key: unknown, at: SiteName) => ({
        get: async ({ kind, name }: ObjectReference) =>
          kind === 'StatefulSet' && setsAt.includes(at) ? { apiVersion: 'apps/v1', kind, metadata: { name } } : null,
      }),
      objectStore: () => ({ open: async () => ({ list: async () => [] }) }),
    } as unknown as DriverContext
    const component = {
      name: 'cache',
      driver: 'redis',
      needs: [],
      spec: { namespace: 'app', name: 'redis', backup: { store: 's', prefix: 'r' } },
    }
    const roleOf = (one: SiteName) => (one === A ? 'active' : 'passive')
    return assertMayBegin(
      component as unknown as Cache,
      site,
      { activeSite: A, roleOf, observed: {}, epoch, adopt: true },
      context,
    )
  }

  test.each([
    ['of two', [B]],
    ['of three', [B, C]],
  ])(
    '%s sites is not adopted while the active one has none: the refusal names the witness, and no stack file',
    async (_, setsAt) => {
      await expect(adoptedAt(B, setsAt)).rejects.toMatchObject({
        code: 'made-by-others',
        message: expect.stringMatching(/dc-a, the active site, has none/),
        next: expect.not.stringContaining('initialActive'),
      })
      await expect(adoptedAt(B, setsAt, null)).rejects.toMatchObject({ next: expect.stringContaining('initialActive') })
    },
  )

  test('is adopted where the active site has one', async () => {
    await expect(adoptedAt(B, [A, B])).resolves.toBeUndefined()
  })
})
