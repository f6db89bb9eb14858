import { describe, expect, test } from '@jest/globals'
import { modelPlan } from './model-plans.ts'
import { WHAT_IT_RESTS_ON } from './planted-bugs.ts'
import { SCENARIOS } from './scenarios.ts'

/** What the real planner made for a world: which steps every promotion of a database needs. */
const promotionsNeed = (request: Parameters<typeof modelPlan>[0]): string[][] =>
  modelPlan(request)
    .plan.steps.filter(({ action }) => action === 'promote')
    .map(({ needs }) => [...needs])

describe('the wait for the guard of a lost site is in the worlds because the planner puts it into the plans of users', () => {
  test('every failover that promises one writer declares fencing.failover: database, and waits before its promotion', () => {
    const failovers = SCENARIOS.flatMap(({ plans, guarded }) => plans.map((request) => ({ request, guarded }))).filter(
      ({ request }) => request.mode === 'failover',
    )
    expect(failovers.length).toBeGreaterThan(1)
    for (const { request, guarded } of failovers) {
      expect({ guarded, fencing: request.fencing }).toEqual({ guarded: true, fencing: 'database' })
      expect(promotionsNeed(request)).toEqual([['witness.activate@dc-b', 'guard.self-fencing']])
    }
  })

  test('a stack without that declaration has no wait: that is the world in which the explorer finds two writers', () => {
    const bare = WHAT_IT_RESTS_ON.flatMap(({ scenario }) => scenario.plans).filter(({ mode }) => mode === 'failover')
    expect(bare.map(promotionsNeed)).toEqual([[['witness.activate@dc-b']], [['witness.activate@dc-b']]])
  })
})
