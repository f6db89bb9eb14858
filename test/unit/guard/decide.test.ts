import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  beat,
  beginLife,
  type Decision,
  type GuardRules,
  guardDecision,
  type Knowledge,
  learn,
  type Reading,
} from '../../../src/guard/decide.ts'

const rules: GuardRules = { silence: 60_000, closeAfter: null }
const silent: Reading = { is: 'unreadable', why: 'no answer' }
const says = (activeSite: string, epoch = 4): Reading => ({ is: 'read', epoch, activeSite })

/** Readings at their times, from a boot at 0; what is decided after the last of them. */
function decidedAfter(readings: readonly (readonly [number, Reading])[], own = rules): Decision {
  let known = beginLife(0)
  let decision: Decision = guardDecision('dc-a', known, 0, own)
  for (const [now, reading] of readings) {
    if (now - known.aliveAt <= own.silence) known = beat(known, now, own)
    known = learn(known, reading, now, own)
    decision = guardDecision('dc-a', known, now, own)
  }
  return decision
}

describe('one site, by hand', () => {
  test('the active site is left alone, and the other one is closed at the first reading', () => {
    expect(decidedAfter([[0, says('dc-a')]])).toEqual({ do: 'stand-by', because: 'active' })
    expect(decidedAfter([[0, says('dc-b')]])).toEqual({ do: 'close', because: 'not-active' })
  })
  test('after a boot with a silent witness the site is closed once the declared silence is over', () => {
    const every5s = (until: number) => Array.from({ length: until / 5_000 + 1 }, (_, n) => [n * 5_000, silent] as const)
    expect(decidedAfter(every5s(55_000))).toEqual({ do: 'stand-by', because: 'not-proven-yet' })
    expect(decidedAfter(every5s(60_000))).toEqual({ do: 'close', because: 'not-proven' })
  })
  test('a healthy active site outlives its witness', () => {
    const day = Array.from({ length: 17_280 }, (_, n) => [5_000 * (n + 1), silent] as const)
    expect(decidedAfter([[0, says('dc-a')], ...day])).toEqual({ do: 'stand-by', because: 'active-and-silent' })
  })
  test('unless the stack prefers no service to two: then it is closed after the declared time', () => {
    const some = Array.from({ length: 24 }, (_, n) => [5_000 * (n + 1), silent] as const)
    expect(decidedAfter([[0, says('dc-a')], ...some], { ...rules, closeAfter: 120_000 })).toEqual({
      do: 'close',
      because: 'silent-too-long',
    })
    expect(decidedAfter([[0, says('dc-a')], ...some.slice(0, -1)], { ...rules, closeAfter: 120_000 })).toMatchObject({ do: 'stand-by' })
  })
  test('a site that was frozen is as unproven as one that has booted', () => {
    const thawed = [
      [0, says('dc-a')],
      [3_600_000, silent],
    ] as const
    expect(decidedAfter(thawed)).toEqual({ do: 'stand-by', because: 'not-proven-yet' })
    const later = Array.from({ length: 12 }, (_, n) => [3_605_000 + 5_000 * n, silent] as const)
    expect(decidedAfter([...thawed, ...later])).toEqual({ do: 'close', because: 'not-proven' })
  })
  test('a reading that takes longer than the silence is no sleep: the site is closed all the same', () => {
    let known = beginLife(0)
    for (let now = 500; now <= 70_000; now += 500) known = beat(known, now, rules)
    expect(guardDecision('dc-a', learn(known, silent, 70_000, rules), 70_000, rules)).toEqual({ do: 'close', because: 'not-proven' })
  })
  test('an answer proves what was true when it was asked for, not when it came', () => {
    const own = { ...rules, closeAfter: 60_000 }
    const known = learn(beginLife(0), says('dc-a'), 9_000, own, 5_000)
    const asked = (now: number) => guardDecision('dc-a', learn(beat(known, now, own), silent, now, own), now, own)
    expect(asked(64_999)).toMatchObject({ do: 'stand-by' })
    expect(asked(65_000)).toEqual({ do: 'close', because: 'silent-too-long' })
  })
  test('a record of an older epoch is no news: neither opens it a site, nor closes it one', () => {
    expect(
      decidedAfter([
        [0, says('dc-b', 5)],
        [5_000, says('dc-a', 4)],
      ]),
    ).toMatchObject({ do: 'stand-by', because: 'not-proven-yet' })
    expect(
      decidedAfter([
        [0, says('dc-a', 5)],
        [5_000, says('dc-b', 4)],
      ]),
    ).toEqual({ do: 'stand-by', because: 'active-and-silent' })
  })
  test('a site whose turn it was not when the witness fell silent may have become active since: it is closed only after the silence', () => {
    expect(
      decidedAfter([
        [0, says('dc-b')],
        [5_000, silent],
      ]),
    ).toEqual({ do: 'stand-by', because: 'not-proven-yet' })
  })
})

/** Steps of time, each with what a look at the witness gives then; `null` is a guard that was started again without its memory. */
const histories = fc.array(
  fc.record({
    passes: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 100, max: 20_000 }) }, fc.integer({ min: 20_000, max: 400_000 })),
    event: fc.oneof(
      { weight: 6, arbitrary: fc.constant('read' as const) },
      { weight: 4, arbitrary: fc.constant('silent' as const) },
      { weight: 1, arbitrary: fc.constant('stale' as const) },
      { weight: 1, arbitrary: fc.constant('boot' as const) },
      { weight: 2, arbitrary: fc.constant('move' as const) },
    ),
  }),
  { minLength: 1, maxLength: 60 },
)

describe('every site, in every history', () => {
  test('what the newest readable record calls active is never closed while it can be read, everything else always is; and nothing else closes but a silence that lasted', () => {
    fc.assert(
      fc.property(histories, fc.option(fc.integer({ min: 60_000, max: 600_000 }), { nil: null }), (history, closeAfter) => {
        const own: GuardRules = { silence: 60_000, closeAfter }
        let now = 0
        let known: Knowledge = beginLife(0)
        let truth = { epoch: 1, activeSite: 'dc-a' }
        // The model: whom this life saw active last, and when.
        let proof: { readonly active: boolean; readonly at: number } | null = null
        let begun = 0
        let looked = 0
        for (const { passes, event } of history) {
          now += passes
          if (event === 'boot') {
            known = beginLife(now)
            proof = null
            begun = now
            looked = now
          }
          if (event === 'move') truth = { epoch: truth.epoch + 1, activeSite: truth.activeSite === 'dc-a' ? 'dc-b' : 'dc-a' }
          if (now - looked > own.silence) {
            proof = null
            begun = now
          }
          looked = now
          const stale: Reading = { is: 'read', epoch: known.epoch - 1, activeSite: truth.activeSite === 'dc-a' ? 'dc-b' : 'dc-a' }
          const reading: Reading = event === 'stale' ? stale : event === 'silent' || event === 'boot' ? silent : { is: 'read', ...truth }
          known = learn(known, reading, now, own)
          const decision = guardDecision('dc-a', known, now, own)
          if (event === 'read' || event === 'move') {
            proof = { active: truth.activeSite === 'dc-a', at: now }
            expect(decision.do).toBe(proof.active ? 'stand-by' : 'close')
            continue
          }
          const silentFor = now - (proof?.at ?? begun)
          const limit = proof?.active === true ? closeAfter : own.silence
          expect(decision.do).toBe(limit !== null && silentFor >= limit ? 'close' : 'stand-by')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
