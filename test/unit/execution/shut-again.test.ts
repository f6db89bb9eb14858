import { expect, test } from '@jest/globals'
import { boundOnShutting } from '../../../src/execution/fence-again.ts'
import { toyClock, toyStep } from '../../support/toy-stack.ts'

const [one, other] = [toyStep('application.stop@dc-a', 'DRAIN'), toyStep('database.demote@dc-a', 'FENCE')]

test('where the old site can serve again, each fence is shut again once', () => {
  const mayShutAgain = boundOnShutting(toyClock())
  expect([mayShutAgain(one, true), mayShutAgain(other, true), mayShutAgain(one, true)]).toEqual([true, true, false])
})

test('where going back serves no user, what another controller opens is shut again for five minutes from the first time on', () => {
  const clock = toyClock()
  const mayShutAgain = boundOnShutting(clock)
  clock.pass(600_000)
  expect(mayShutAgain(one, false)).toBe(true)
  clock.pass(299_000)
  expect(mayShutAgain(other, false)).toBe(true)
  clock.pass(2_000)
  expect(mayShutAgain(one, false)).toBe(false)
})
