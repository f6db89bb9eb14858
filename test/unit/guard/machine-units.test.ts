import { expect, test } from '@jest/globals'
import type { SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { SeenUnit } from '../../../src/driver/guarded-units.ts'
import { unitsOnMachine } from '../../../src/guard/machine-units.ts'

const SITE = 'dc-a' as SiteName
const context = {} as DriverContext

/** The units of a machine on which each component declares one unit, in the state that is given. */
const unitsOf = (declared: Record<string, { readonly unit: string; readonly seen: Partial<SeenUnit> }>) => {
  const names = Object.keys(declared)
  const components = names.map((name) => ({ name, driver: 'toy', needs: [], spec: {} }))
  const toy = {
    kind: 'toy',
    scope: 'site',
    guardedUnits: {
      units: ({ name }: { readonly name: string }) => {
        const { unit = '', seen = {} } = declared[name] ?? {}
        return [{ unit, look: async () => ({ is: 'passive', start: 'harmless', why: name, ...seen }) }]
      },
    },
  } as unknown as Driver
  const stack = { name: 'shop', sites: [{ name: SITE }], components } as unknown as Stack
  return unitsOnMachine(stack, SITE, 'db-1', { toy }, context)
}
const look = (units: ReturnType<typeof unitsOf>) =>
  Promise.all(units.map(async (unit) => ({ service: unit.service, ...(await unit.look(AbortSignal.timeout(10_000))) })))

test('a unit that several components declare is closed while it is open for any of them', async () => {
  const open = { unit: 'redis.service', seen: { is: 'open', start: 'opens' } } as const
  const passive = { unit: 'redis', seen: {} }
  for (const declared of [
    { cache: open, queue: passive },
    { queue: passive, cache: open },
  ])
    expect(await look(unitsOf(declared))).toEqual([
      { service: 'redis.service', is: 'open', start: 'opens', why: 'cache' },
    ])
})

test('a unit that several components declare starts freely only where its start is harmless for all of them', async () => {
  const waiting = { unit: 'redis', seen: { start: 'unknown' } } as const
  expect(await look(unitsOf({ cache: waiting, queue: { unit: 'redis', seen: {} } }))).toMatchObject([
    { is: 'passive', start: 'unknown' },
  ])
})
