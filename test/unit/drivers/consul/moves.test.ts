import { expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import { type ConsulState, summarized } from '../../../../src/drivers/consul/observe.ts'
import { CLOSED } from '../../../../src/drivers/consul/spec.ts'
import { type close, closedAfterTtl } from '../../../../src/drivers/consul/traffic/moves.ts'
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

test('look-ups count as closed when the longest TTL has passed since the last datacenter was closed', async () => {
  const spec = { ...federation.spec, traffic: { queries: { infisical: { service: 'infisical', ttl: '5s' } } } }
  let [now, isClosed, memory]: [number, boolean, unknown] = [0, false, undefined]
  const flip = {
    is: 'plain',
    done: async () => (isClosed ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'dc-b to hold closed' }),
  } as unknown as typeof close.behaviour
  const run = {
    component: { ...federation, spec },
    context: { clock: { now: () => new Date(now) } },
    begunAt: new Date(0).toISOString(),
    memory: {
      get value() {
        return memory
      },
      set(value: unknown) {
        memory = value
      },
    },
  } as unknown as Parameters<typeof close.behaviour.done>[0]
  const seenAt = async (seconds: number, held: boolean): Promise<string> => {
    ;[now, isClosed] = [seconds * 1_000, held]
    return (await closedAfterTtl(flip).done(run)).is
  }
  expect(await seenAt(0, false)).toBe('pending')
  expect(await seenAt(20, true)).toBe('pending')
  // Opened again amid the wait.
  expect(await seenAt(24, false)).toBe('pending')
  expect(await seenAt(26, true)).toBe('pending')
  expect(await seenAt(30, true)).toBe('pending')
  expect(await seenAt(31.1, true)).toBe('done')
})
