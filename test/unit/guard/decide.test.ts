import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  beat,
  beginLife,
  type Decision,
  disbelief,
  FARTHEST_JUMP,
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
    expect(decidedAfter([[0, says('dc-a')], ...some.slice(0, -1)], { ...rules, closeAfter: 120_000 })).toMatchObject({
      do: 'stand-by',
    })
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
    expect(guardDecision('dc-a', learn(known, silent, 70_000, rules), 70_000, rules)).toEqual({
      do: 'close',
      because: 'not-proven',
    })
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

/**
 * Steps of time, each with what a look at the witness gives then; `null` is a guard that was started again without its
 * memory.
 */
const histories = fc.array(
  fc.record({
    passes: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 100, max: 20_000 }) },
      fc.integer({ min: 20_000, max: 400_000 }),
    ),
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
      fc.property(
        histories,
        fc.option(fc.integer({ min: 60_000, max: 600_000 }), { nil: null }),
        (history, closeAfter) => {
          const own: GuardRules = { silence: 60_000, closeAfter }
          let now = 0
          let known: Knowledge = beginLife(0)
          let truth = { epoch: 1, activeSite: 'dc-a' }
          // The model: the site that this life saw active last, and when.
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
            if (event === 'move')
              truth = { epoch: truth.epoch + 1, activeSite: truth.activeSite === 'dc-a' ? 'dc-b' : 'dc-a' }
            if (now - looked > own.silence) {
              proof = null
              begun = now
            }
            looked = now
            const stale: Reading = {
              is: 'read',
              epoch: known.epoch - 1,
              activeSite: truth.activeSite === 'dc-a' ? 'dc-b' : 'dc-a',
            }
            const fresh: Reading = event === 'silent' || event === 'boot' ? silent : { is: 'read', ...truth }
            const reading: Reading = event === 'stale' ? stale : fresh
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
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('a record that is sound by itself and cannot be true', () => {
  const knowing = (...readings: readonly Reading[]) =>
    readings.reduce((known, reading) => learn(known, reading, 0, rules), beginLife(0))

  test('an undeclared site is believed only with a later epoch', () => {
    const nowhere = (epoch: number): Reading => ({ is: 'read', epoch, activeSite: 'nowhere', undeclared: true })
    expect(guardDecision('dc-a', knowing(says('dc-a', 4), nowhere(4)), 0, rules)).toMatchObject({
      do: 'stand-by',
      because: 'active-and-silent',
    })
    expect(guardDecision('dc-a', knowing(nowhere(4)), 0, rules)).toMatchObject({
      do: 'stand-by',
      because: 'not-proven-yet',
    })
    expect(guardDecision('dc-a', knowing(says('dc-a', 4), nowhere(5)), 0, rules)).toEqual({
      do: 'close',
      because: 'not-active',
    })
  })

  test('an epoch begins with the site that is active and names the new one later; a third name in it counts as no answer', () => {
    expect(guardDecision('dc-a', knowing(says('dc-a', 4), says('dc-a', 5), says('dc-b', 5)), 0, rules)).toMatchObject({
      do: 'close',
    })
    const back = knowing(says('dc-b', 4), says('dc-a', 5), says('dc-b', 5), says('dc-a', 5))
    expect(guardDecision('dc-b', back, 0, rules)).toEqual({ do: 'stand-by', because: 'active-and-silent' })
    const third = knowing(says('dc-b', 5), says('dc-a', 5), says('dc-b', 5))
    expect(guardDecision('dc-a', third, 0, rules)).toEqual({ do: 'stand-by', because: 'active-and-silent' })
    expect(guardDecision('dc-a', learn(third, says('dc-b', 6), 0, rules), 0, rules)).toMatchObject({ do: 'close' })
  })

  test('a jump that no number of moves explains is not remembered either: the true record is believed afterwards', () => {
    const jumped = knowing(says('dc-a', 4), says('dc-b', 5 + FARTHEST_JUMP))
    expect(guardDecision('dc-a', jumped, 0, rules)).toEqual({ do: 'stand-by', because: 'active-and-silent' })
    expect(guardDecision('dc-a', learn(jumped, says('dc-b', 5), 0, rules), 0, rules)).toEqual({
      do: 'close',
      because: 'not-active',
    })
  })

  const anything: fc.Arbitrary<Reading> = fc.oneof(
    fc.constant(silent),
    fc.record({
      is: fc.constant('read' as const),
      epoch: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 1_000_000 })),
      activeSite: fc.constantFrom('dc-a', 'dc-b'),
    }),
    fc.record({
      is: fc.constant('read' as const),
      epoch: fc.integer({ min: 1, max: 8 }),
      activeSite: fc.constant('nowhere'),
      undeclared: fc.constant(true as const),
    }),
  )
  test('whatever is read, in whatever order: what is not believed closes nothing that was proven active, and counts as silence to the second', () => {
    fc.assert(
      fc.property(
        fc.array(anything, { maxLength: 40 }),
        fc.option(fc.integer({ min: 60_000, max: 300_000 }), { nil: null }),
        (readings, closeAfter) => {
          const own: GuardRules = { silence: 60_000, closeAfter }
          let [now, known, proven] = [0, beginLife(0), 0]
          for (const reading of readings) {
            now += 5_000
            const before = beat(known, now, own)
            const believed = reading.is === 'read' && disbelief(before, reading) === null
            known = learn(known, reading, now, own)
            const decision = guardDecision('dc-a', known, now, own)
            if (believed) proven = now
            expect(known.epoch).toBe(believed ? reading.epoch : before.epoch)
            if (believed) expect(decision.do).toBe(reading.activeSite === 'dc-a' ? 'stand-by' : 'close')
            else if (known.activeSite === 'dc-a')
              expect(decision.do).toBe(closeAfter !== null && now - proven >= closeAfter ? 'close' : 'stand-by')
            else expect(decision.do).toBe(now - proven >= own.silence ? 'close' : 'stand-by')
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
