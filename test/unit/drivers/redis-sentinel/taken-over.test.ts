import { describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import { type GroupState, summarized } from '../../../../src/drivers/redis-sentinel/observe.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import { takenOver } from '../../../../src/drivers/redis-sentinel/taken-over.ts'
import { group, sentinel, stateOf } from '../../../conformance/fixtures/redis-sentinel.ts'

const SILENT: Observed<GroupState> = { kind: 'silent', why: 'no answer within 2.5 s' }
const SENTINEL_C = { host: 'host-c', address: '10.3.0.13:26379' }

/** The group of the conformance suite, with a third site that has a Sentinel alone. */
function groupWhere(automatic: boolean): Group {
  const { sites, ...spec } = group.spec
  const { 'dc-a': a, 'dc-b': b } = sites
  if (a === undefined || b === undefined) throw new Error('the fixture has two sites')
  return {
    ...group,
    spec: {
      ...spec,
      sites: { 'dc-a': a, 'dc-b': { ...b, automatic }, 'dc-c': { redis: {}, sentinels: { 'sentinel-c': SENTINEL_C } } },
    },
  }
}
const seen = (site: string, state: GroupState): Observed<GroupState> => summarized(groupWhere(true), site, state)
const onB = stateOf('dc-b', 'dc-b')
const witnessing = (master: string): Observed<GroupState> =>
  seen('dc-c', { group: 'mymaster on dc-c', redis: {}, sentinels: { 'sentinel-c': sentinel(master) } })
const AT_B = '10.2.0.11:6379'

describe('a group that Sentinel may move by itself', () => {
  test('is where its only master is, by the word of the majority of all declared Sentinels', () => {
    expect(
      takenOver(groupWhere(true), { 'dc-a': SILENT, 'dc-b': seen('dc-b', onB), 'dc-c': witnessing(AT_B) }),
    ).toEqual({
      site: 'dc-b',
      since: null,
      by: '2 of 3 Sentinels name cache-b1, and it is the only master that is seen',
    })
  })

  test.each([
    ['the site may not take over by itself', false, SILENT, witnessing(AT_B)],
    ['half of the Sentinels or fewer name it', true, SILENT, SILENT],
    ['a Sentinel of the majority names another one', true, SILENT, witnessing('10.1.0.11:6379')],
    ['a second master is seen', true, seen('dc-a', stateOf('dc-a', 'dc-a')), witnessing(AT_B)],
  ])('proves nothing where %s', (_, automatic, a, c) => {
    expect(takenOver(groupWhere(automatic), { 'dc-a': a, 'dc-b': seen('dc-b', onB), 'dc-c': c })).toBeNull()
  })
})
