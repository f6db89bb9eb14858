import { expect, test } from '@jest/globals'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DeployUnit } from '../../../src/driver/deployment.ts'
import { type PlacedUnit, unitNeeds } from '../../../src/planning/order-units.ts'

const place = (component: string, name: string, site: string | null, needs: readonly string[] = []): PlacedUnit => ({
  component,
  unit: {
    id: `${component}.${name}@${site}`,
    site: site as SiteName | null,
    needs,
    title: name,
    deadline: 1,
    diff: async () => [],
    apply: async () => undefined,
    ready: async () => ({ is: 'done', proof: {} }),
  } satisfies DeployUnit,
})
const needsOf = (component: string): string[] => (component === 'application' ? ['database'] : [])

test('passive sites come before the active one', () => {
  const needs = unitNeeds([place('database', 'cluster', 'dc-a'), place('database', 'cluster', 'dc-b')], needsOf, 'dc-a')
  expect([...(needs.get('database.cluster@dc-a') ?? [])]).toEqual(['database.cluster@dc-b'])
})

test('a first replica, which can only be cloned from the active site, comes after it and holds nothing up', () => {
  const needs = unitNeeds(
    [
      place('database', 'cluster', 'dc-a'),
      place('database', 'cluster', 'dc-b', ['database.cluster@dc-a']),
      place('application', 'release', 'dc-b'),
    ],
    needsOf,
    'dc-a',
  )
  expect([...(needs.get('database.cluster@dc-a') ?? [])]).toEqual([])
  expect([...(needs.get('application.release@dc-b') ?? [])]).toEqual(['database.cluster@dc-b'])
})

test('a component comes after what it needs on its own site', () => {
  const needs = unitNeeds(
    [place('database', 'cluster', 'dc-a'), place('application', 'release', 'dc-a')],
    needsOf,
    'dc-a',
  )
  expect([...(needs.get('application.release@dc-a') ?? [])]).toEqual(['database.cluster@dc-a'])
})

test('units that wait for each other are a defect, not a hang', () => {
  expect(() =>
    unitNeeds([place('x', 'a', 'dc-b', ['x.b@dc-b']), place('x', 'b', 'dc-b', ['x.a@dc-b'])], needsOf, 'dc-a'),
  ).toThrow(/wait for each other/)
})
