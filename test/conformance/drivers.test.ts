import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { drivers } from '../../src/drivers/registry.ts'
import { fixtures } from './fixtures.ts'
import { conformsInWorld } from './in-world.ts'
import { conformsOnPaper } from './on-paper.ts'

const root = join(import.meta.dirname, '..', '..')

test('every driver of the registry has a fixture of this suite', () => {
  expect(Object.keys(fixtures).sort()).toEqual(Object.keys(drivers).sort())
})

test('the steps of every driver are performed here in a world, or a folder of tests performs them', () => {
  for (const { world, testedIn, performedElsewhere = {} } of Object.values(fixtures)) {
    expect(world !== undefined || testedIn !== undefined).toBe(true)
    for (const folder of [...Object.values(performedElsewhere), ...(testedIn === undefined ? [] : [testedIn])])
      expect({ folder, exists: existsSync(join(root, folder)) }).toEqual({ folder, exists: true })
  }
})

for (const [kind, fixture] of Object.entries(fixtures)) {
  const driver = drivers[kind]
  if (driver === undefined) continue
  conformsOnPaper(driver, fixture)
  conformsInWorld(driver, fixture)
}
