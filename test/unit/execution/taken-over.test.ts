import { expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { EngineRun } from '../../../src/driver/engine.ts'
import { witnessBehaviours } from '../../../src/execution/witness-actions.ts'
import { readActive } from '../../../src/witness/active.ts'
import { deployedToy, toyClock } from '../../support/toy-stack.ts'

// Found by the model checker: docs/verification.md.
test('a process that slept through its lock, and was taken over from, cannot pass the point of no return', async () => {
  const { store } = await deployedToy()
  const clock = toyClock()
  const plan = {
    id: 'p',
    nonce: 'n',
    epoch: 1,
    stack: { name: 'toy' },
    intent: { mode: 'switchover', from: 'dc-a', to: 'dc-b' },
  } as unknown as Plan
  const step = {
    context: { log: { info: () => undefined } },
    signal: new AbortController().signal,
  } as unknown as EngineRun
  const process = (attempt: number) =>
    witnessBehaviours({
      store,
      run: 'r',
      holder: `r#${attempt}`,
      plan,
      clock,
      invalidateLeft: async () => undefined,
      lockTaken: () => undefined,
    })
  const [first, second] = [process(1), process(2)]
  const undoOf = (behaviour = second.activate) =>
    behaviour !== undefined && 'undo' in behaviour.back ? behaviour.back : null

  await first.lock?.apply(step)
  // The first process has looked at its lock, and sleeps before `activate`; the second one continues the run, and
  // takes it back.
  clock.pass(180_000)
  await second.lock?.apply(step)
  expect((await second.lock?.done(step))?.is).toBe('done')
  await undoOf()?.undo(step)

  await expect(first.activate?.apply(step)).rejects.toMatchObject({ code: 'lock-lost' })
  expect((await readActive(store))?.record.activeSite).toBe('dc-a')
})
