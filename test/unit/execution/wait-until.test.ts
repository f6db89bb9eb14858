import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { systemClock } from '../../../src/composition/connect.ts'
import type { Progress } from '../../../src/domain/progress.ts'
import { deadlineAfter } from '../../../src/waiting/deadline.ts'
import { waitUntilDone } from '../../../src/waiting/wait-until.ts'

test('a wait that runs out names what it waited for, not the question that its deadline cut off', async () => {
  const deadline = deadlineAfter(300)
  let asked = 0
  const ask = async (): Promise<Progress> => {
    asked += 1
    if (asked === 1) return { is: 'pending', waitingFor: 'PostgreSQL to stop' }
    await pause(10_000, undefined, { signal: deadline.signal })
    throw new Error('unreachable')
  }
  const around = {
    what: 'fence',
    clock: systemClock,
    signal: new AbortController().signal,
    deadline,
    waiting: () => undefined,
    changed: () => pause(50),
  }
  await expect(waitUntilDone(ask, around)).rejects.toMatchObject({
    code: 'step-timeout',
    message: expect.stringContaining('waiting for: PostgreSQL to stop'),
  })
})
