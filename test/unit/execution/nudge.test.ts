import { expect, test } from '@jest/globals'
import type { EngineBehaviour } from '../../../src/driver/engine.ts'
import { type PerformedRun, stepPerformer } from '../../../src/execution/perform-step.ts'
import { deadlineAfter } from '../../../src/waiting/deadline.ts'
import { toyClock } from '../../support/toy-stack.ts'

/** A step whose operator does its part after so many milliseconds, or `afterNudge` after a nudge. */
function waitingFor(operator: { readonly after: number; readonly afterNudge?: number }, ours = async () => undefined) {
  const clock = toyClock()
  const begun = clock.now().getTime()
  const log: string[] = []
  let due = begun + operator.after
  const behaviour: EngineBehaviour = {
    is: 'check',
    done: async () =>
      clock.now().getTime() < due ? { is: 'pending', waitingFor: 'the operator' } : { is: 'done', proof: {} },
    nudge: {
      every: 4_000,
      async send() {
        log.push(`nudged after ${Math.round((clock.now().getTime() - begun) / 1_000)} s`)
        if (operator.afterNudge !== undefined) due = clock.now().getTime() + operator.afterNudge
      },
    },
  }
  const signal = AbortSignal.timeout(20_000)
  const run = {
    step: { id: 'database.demote@dc-a' },
    site: 'dc-a',
    context: { log: { debug: () => undefined } },
    signal,
  }
  const assertOurs = async (): Promise<void> => {
    log.push('looked at the lock')
    await ours()
  }
  const around = {
    clock,
    signal,
    deadline: deadlineAfter(20_000),
    waiting: (what: string) => void log.push(what),
    assertOurs,
  }
  return { log, performer: stepPerformer(behaviour, run as unknown as PerformedRun, around) }
}

test('an operator that is quick enough gets no nudge', async () => {
  const { log, performer } = waitingFor({ after: 3_500 })
  await performer.wait()
  expect(log).toEqual(['the operator'])
})

test('an operator that forgot is nudged when the nudge is due, and as often again; the lock is read before each nudge', async () => {
  const { log, performer } = waitingFor({ after: 9_000 })
  await performer.wait()
  const nudge = (seconds: number) => ['looked at the lock', `nudged after ${seconds} s`]
  expect(log).toEqual(['the operator', ...nudge(4), ...nudge(8)])
  const quick = waitingFor({ after: 60_000, afterNudge: 500 })
  await quick.performer.wait()
  expect(quick.log.filter((line) => line.startsWith('nudged'))).toHaveLength(1)
})

test('a process that lost the lock sends no nudge', async () => {
  const { log, performer } = waitingFor({ after: 60_000 }, () => Promise.reject(new Error('lock lost')))
  await expect(performer.wait()).rejects.toThrow('lock lost')
  expect(log).toEqual(['the operator', 'looked at the lock'])
})

test('an operator that forgot is nudged on the way back too, where its step has a nudge for that', async () => {
  const clock = toyClock()
  const begun = clock.now().getTime()
  const nudges: number[] = []
  const behaviour: EngineBehaviour = {
    is: 'versioned',
    done: async () => ({ is: 'done', proof: {} }),
    apply: async () => undefined,
    invalidate: async () => undefined,
    back: {
      undo: async () => undefined,
      undone: async () =>
        nudges.length < 2
          ? { is: 'pending', waitingFor: 'the operator' }
          : { is: 'done', proof: { details: { nudges: nudges.length } } },
      nudge: {
        every: 4_000,
        async send() {
          nudges.push(Math.round((clock.now().getTime() - begun) / 1_000))
        },
      },
    },
  }
  const signal = AbortSignal.timeout(20_000)
  const run = {
    step: { id: 'database.demote@dc-a' },
    site: 'dc-a',
    context: { log: { debug: () => undefined } },
    signal,
  }
  const assertOurs = async (): Promise<void> => undefined
  const around = { clock, signal, deadline: deadlineAfter(20_000), waiting: () => undefined, assertOurs }
  expect(await stepPerformer(behaviour, run as unknown as PerformedRun, around).takeBack()).toEqual({
    details: { nudges: 2 },
  })
  expect(nudges).toEqual([4, 8])
})
