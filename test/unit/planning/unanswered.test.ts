import { expect, test } from '@jest/globals'
import type { Finding, Plan } from '../../../src/domain/plan.ts'
import { mayBeUnanswered } from '../../../src/planning/unanswered.ts'
import { toyCode } from '../../support/toy-codes.ts'

const planWith = (...findings: Finding[]): Plan => ({ facts: [], findings }) as unknown as Plan
const blocker: Finding = { code: toyCode['backend-down'], severity: 'blocker', what: 'nothing said' }

test('a blocker that its driver marks as unanswered gets a second look, whatever its code', () => {
  expect(mayBeUnanswered(planWith(), planWith({ ...blocker, unanswered: true }))).toBe(true)
})

test('a blocker about what did answer gets none', () => {
  expect(mayBeUnanswered(planWith(), planWith(blocker))).toBe(false)
})
