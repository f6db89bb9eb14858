import { describe, expect, test } from '@jest/globals'
import type { NamedFact } from '../../../src/domain/plan.ts'
import { staleFacts } from '../../../src/planning/facts.ts'

const timeline = (value: number): NamedFact => ({
  component: 'database',
  site: 'dc-a',
  name: 'timeline',
  value,
  binds: 'exactly',
})
const lag = (value: number): NamedFact => ({
  component: 'database',
  site: 'dc-b',
  name: 'gap',
  value,
  binds: 'at-most',
  limit: 2,
  unit: 'segments',
})

describe('a plan rests on facts', () => {
  test('a decision fact that changed is stale, with both values', () => {
    expect(staleFacts([timeline(4)], [timeline(5)])).toEqual([
      { fact: 'database@dc-a timeline', planned: '4', now: '5' },
    ])
  })
  test('a volatile fact may move within its tolerance, and not beyond', () => {
    expect(staleFacts([lag(0)], [lag(2)])).toEqual([])
    expect(staleFacts([lag(0)], [lag(3)])).toEqual([
      { fact: 'database@dc-b gap', planned: 'at most 2 segments', now: '3' },
    ])
  })
  test('a volatile fact may go unseen for once while its part answers, and not when that is silent', () => {
    const image: NamedFact = { component: 'database', site: 'dc-b', name: 'image', value: 'a', binds: 'exactly' }
    expect(staleFacts([lag(0), image], [image])).toEqual([])
    expect(staleFacts([lag(0)], [])).toEqual([{ fact: 'database@dc-b gap', planned: '0', now: 'not to be seen' }])
  })
  test('a fact that cannot be seen any more, or that the plan does not know, is stale', () => {
    expect(staleFacts([timeline(4)], [])).toHaveLength(1)
    expect(staleFacts([], [timeline(4)])).toHaveLength(1)
  })
})
