import { expect, test } from '@jest/globals'
import { triedFor } from '../../../../src/systems/traffic/all-instances.ts'

test('a load balancer that says nothing is tried for 20 s, and over a way of 1.5 s for as long as two logins take', () => {
  expect([null, 5, 200].map((roundTrip) => triedFor({ roundTrip }))).toEqual([20_000, 20_000, 20_000])
  expect(triedFor({ roundTrip: 1_500 })).toBe(70_000)
  // The step has 120 s, and another one waits for it.
  expect(triedFor({ roundTrip: 30_000 })).toBeLessThanOrEqual(75_000)
})
