import { expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import { type ConsulState, summarized } from '../../../../src/drivers/consul/observe.ts'
import { CLOSED } from '../../../../src/drivers/consul/spec.ts'
import { consulFixture, federation, stateOf } from '../../../conformance/fixtures/consul.ts'

const FAILOVER: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }

/** What the queries of dc-b get back when a failover that found them so is aborted. */
function givenBack(...leads: readonly [infisical: string | null, cache: string | null]): unknown {
  const [infisical, cache] = leads.map((one, index) => ({ id: `id-${index}`, leads: one }))
  const queries = { is: 'known', value: { infisical, cache } } as ConsulState['queries']
  const states = {
    'dc-a': summarized(federation, stateOf('dc1', 'dc1')),
    'dc-b': summarized(federation, stateOf('dc2', 'dc1', { queries })),
  }
  const steps = consul.moves?.failover?.(federation, states, FAILOVER, consulFixture.stack) ?? []
  const close = steps.find(({ action }) => action === 'close')
  return (close?.parameters.before as Record<string, unknown> | undefined)?.['dc-b']
}

test('queries that lead to several datacenters, or are of another definition, lead to the old site after an abort', () => {
  expect(givenBack('dc1', 'dc1')).toBe('dc1')
  expect(givenBack('dc2', 'dc2')).toBe('dc2')
  expect(givenBack(CLOSED, CLOSED)).toBe(CLOSED)
  expect(givenBack('dc1', 'dc2')).toBe('dc1')
  expect(givenBack(null, 'dc1')).toBe('dc1')
  expect(givenBack(null, null)).toBe('dc1')
})
