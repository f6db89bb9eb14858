import { expect, test } from '@jest/globals'
import { drivers } from '../../src/drivers/registry.ts'
import { fixtures } from './fixtures.ts'
import { conformsOnPaper } from './on-paper.ts'

test('every driver of the registry has a fixture of this suite', () => {
  expect(Object.keys(fixtures).sort()).toEqual(Object.keys(drivers).sort())
})

for (const [kind, fixture] of Object.entries(fixtures)) {
  const driver = drivers[kind]
  if (driver !== undefined) conformsOnPaper(driver, fixture)
}
