import { expect, test } from '@jest/globals'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import { factsOf } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { primary, states } from './cluster-states.ts'

test('a fenced primary, whose manager answers and leaves the timeline out, gives facts that all have a value', () => {
  const { timeLineID: _, currentLsn: __, ...stopped } = primary
  const seen = states()['dc-a']
  if (seen?.kind !== 'answering') throw new Error('dc-a answers')
  const facts = factsOf({ ...seen.state, instance: { ...stopped, mightBeUnavailable: true } as InstanceStatus })
  expect(facts.map(({ name, value }) => [name, value === undefined])).not.toContainEqual([expect.anything(), true])
  expect(facts.map(({ name }) => name)).not.toContain('timeline')
  expect(factsOf(seen.state).map(({ name }) => name)).toContain('timeline')
})
