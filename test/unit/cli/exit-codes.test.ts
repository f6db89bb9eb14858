import { expect, test } from '@jest/globals'
import { EXIT, exitAfter, exitOf } from '../../../src/cli/operate.ts'
import type { StandbyError } from '../../../src/errors/standby-error.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import { takeLock } from '../../../src/witness/lock.ts'
import { deployedToy, toyClock, toyWorld } from '../../support/toy-stack.ts'

test('a command that was stopped by a signal ends with 130, whatever the result of its work', () => {
  for (const otherwise of [EXIT.failed, EXIT.refused, EXIT.degraded])
    expect(exitAfter({ code: 'cancelled' }, otherwise)).toBe(130)
  expect(exitAfter({ code: 'step-timeout' }, EXIT.failed)).toBe(EXIT.failed)
  expect(exitAfter(null, EXIT.ok)).toBe(EXIT.ok)
  expect(exitOf({ code: 'cancelled', mustAct: 'cancelled' })).toBe(130)
})

test('a command that finds the lock held is refused, and ends with 3', async () => {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const lock = { stack: 'toy', epoch: 1, now: clock.now() }
  await takeLock(store, { ...lock, holder: 'other#1', purpose: 'move: switchover from dc-a to dc-b' })
  const refusals = [
    deploy(toyWorld(toy, store, { clock }), { dryRun: false, only: [] }),
    takeLock(store, { ...lock, holder: 'mine#1', purpose: 'deploy' }),
  ].map((refused) =>
    refused.then(
      () => null,
      (error: StandbyError) => [error.code, exitOf(error)],
    ),
  )
  expect(await Promise.all(refusals)).toEqual([
    ['move-unfinished', EXIT.refused],
    ['lock-held', EXIT.refused],
  ])
})
