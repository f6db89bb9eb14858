import { expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../../src/domain/stack.ts'
import { type GroupState, summarized } from '../../../../src/drivers/redis-sentinel/observe.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import { drivers } from '../../../../src/drivers/registry.ts'
import type { Observation } from '../../../../src/observation/observation.ts'
import { findingsOf } from '../../../../src/planning/findings.ts'
import { group, redisSentinelFixture, sentinel, server, stateOf } from '../../../conformance/fixtures/redis-sentinel.ts'

const [A, B, C] = ['dc-a', 'dc-b', 'dc-c'] as const
const AT = '2026-11-21T06:00:00.000Z'
const MASTER = '10.1.0.11:6379'
const third = {
  redis: { 'cache-c1': { host: 'db-1', address: '10.3.0.11:6379', priority: 10 } },
  sentinels: { 'sentinel-c': { host: 'db-1', address: '10.3.0.11:26379' } },
}
const component = {
  ...group,
  spec: { ...group.spec, sites: { ...group.spec.sites, [C]: third } },
} as unknown as Component & Group
const { stack: published } = redisSentinelFixture
const [first] = published.sites
const stack = {
  ...published,
  sites: [...published.sites, { ...first, name: C }],
  components: [component],
} as unknown as Stack

const SILENT = { is: 'silent', why: 'no answer' } as const
const of = (site: string, state: GroupState): Observed => summarized(component, site, state)
/** A Sentinel of dc-a is all that answers there, and dc-b has none. */
const seen = (atC: Observed): Observation => ({
  at: AT,
  witness: {
    kind: 'answering',
    active: { schemaVersion: 1, stack: stack.name, epoch: 4, activeSite: A, since: AT, run: 'r' },
    lock: null,
  },
  sites: {},
  components: {
    [component.name]: {
      [A]: of(A, { ...stateOf(A, A), redis: { 'cache-a1': SILENT, 'cache-a2': SILENT } }),
      [B]: of(B, { ...stateOf(B, A), sentinels: { 'sentinel-b': SILENT } }),
      [C]: atC,
    },
  },
})
const FAILOVER: Intent = { mode: 'failover', from: A as SiteName, to: B as SiteName }
const ofTheWay = (atC: Observed): string[] =>
  findingsOf(stack, seen(atC), FAILOVER, drivers).flatMap(({ code, site }) =>
    site === B && (code === 'sentinel-takes-back' || code === 'sentinel-promoted-without') ? [code] : [],
  )

test('a failover that a Sentinel of a third site carries out is not refused for want of one', () => {
  const state = {
    group: 'mymaster on dc-c',
    redis: { 'cache-c1': server(MASTER) },
    sentinels: { 'sentinel-c': sentinel(MASTER) },
  }
  expect(ofTheWay(of(C, state))).toEqual([])
  expect(ofTheWay({ kind: 'silent', why: 'no answer' })).toEqual(['sentinel-takes-back'])
})
