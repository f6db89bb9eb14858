import { expect, test } from '@jest/globals'
import type { EngineBehaviour } from '../../../src/driver/engine.ts'
import { type PerformedRun, stepPerformer } from '../../../src/execution/perform-step.ts'
import { deadlineAfter } from '../../../src/waiting/deadline.ts'
import { toyClock } from '../../support/toy-stack.ts'

/** A step whose operator does its part after so many milliseconds, or `afterWord` after it was reminded. */
function waitingFor(operator: { readonly after: number; readonly afterWord?: number }, ours = async () => undefined) {
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
        log.push(`reminded after ${Math.round((clock.now().getTime() - begun) / 1_000)} s`)
        if (operator.afterWord !== undefined) due = clock.now().getTime() + operator.afterWord
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

test('an operator that is quick enough is not reminded', async () => {
  const { log, performer } = waitingFor({ after: 3_500 })
  await performer.wait()
  expect(log).toEqual(['the operator'])
})

test('one that forgot is reminded when it is due, and as often again; the lock is looked at before each word', async () => {
  const { log, performer } = waitingFor({ after: 9_000 })
  await performer.wait()
  const word = (seconds: number) => ['looked at the lock', `reminded after ${seconds} s`]
  expect(log).toEqual(['the operator', ...word(4), ...word(8)])
  const quick = waitingFor({ after: 60_000, afterWord: 500 })
  await quick.performer.wait()
  expect(quick.log.filter((line) => line.startsWith('reminded'))).toHaveLength(1)
})

test('nobody who lost the lock says a word', async () => {
  const { log, performer } = waitingFor({ after: 60_000 }, () => Promise.reject(new Error('lock lost')))
  await expect(performer.wait()).rejects.toThrow('lock lost')
  expect(log).toEqual(['the operator', 'looked at the lock'])
})

test('an operator that forgot is reminded on the way back too, where its step has a word for that', async () => {
  const clock = toyClock()
  const begun = clock.now().getTime()
  const words: number[] = []
  const behaviour: EngineBehaviour = {
    is: 'versioned',
    done: async () => ({ is: 'done', proof: {} }),
    apply: async () => undefined,
    invalidate: async () => undefined,
    back: {
      undo: async () => undefined,
      undone: async () =>
        words.length < 2
          ? { is: 'pending', waitingFor: 'the operator' }
          : { is: 'done', proof: { details: { words: words.length } } },
      nudge: {
        every: 4_000,
        async send() {
          words.push(Math.round((clock.now().getTime() - begun) / 1_000))
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
    details: { words: 2 },
  })
  expect(words).toEqual([4, 8])
})
