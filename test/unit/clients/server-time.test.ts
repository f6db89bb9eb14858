import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { serverTime } from '../../../src/clients/server-time.ts'

const dateOf = (ms: number): string => new Date(Math.floor(ms / 1_000) * 1_000).toUTCString()

describe('the time of a server', () => {
  test('is not known before it has said it, nor from an answer that says none', () => {
    const time = serverTime(() => 0)
    expect(time.now()).toBeNull()
    time.hear(null, 0, 10)
    time.hear('yesterday', 0, 10)
    expect(time.now()).toBeNull()
  })

  test('is within a second of its clock and the time of its fastest answer, whatever the clock of this machine says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        fc.array(fc.record({ pause: fc.nat(20_000), there: fc.nat(900), back: fc.nat(900) }), {
          minLength: 1,
          maxLength: 20,
        }),
        (epoch, answers) => {
          let now = 5_000
          const time = serverTime(() => now)
          for (const { pause, there, back } of answers) {
            now += pause
            const askedAt = now
            now += there
            const date = dateOf(epoch + now)
            now += back
            time.hear(date, askedAt, now)
          }
          const fastest = Math.min(...answers.map(({ there, back }) => there + back))
          const off = Math.abs((time.now()?.getTime() ?? 0) - (epoch + now))
          expect(off).toBeLessThanOrEqual((1_000 + fastest) / 2 + 1)
        },
      ),
    )
  })

  test('follows a server whose clock was set, and a machine that slept', () => {
    let now = 0
    const time = serverTime(() => now)
    time.hear(dateOf(1_000_000), now, now)
    now += 10_000
    time.hear(dateOf(9_000_000), now, now)
    expect(Math.abs((time.now()?.getTime() ?? 0) - 9_000_000)).toBeLessThanOrEqual(1_000)
  })
})
