import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  closesWithin,
  LOOK_DEADLINE,
  READ_DEADLINE,
  REPORT_DEADLINE,
  STEP_DEADLINE,
} from '../../../src/guard/closing-time.ts'
import { toySite, watch } from '../../support/guard-world.ts'
import { rounds } from '../../support/rounds.ts'

const RECORD = { epoch: 4, activeSite: 'dc-a' }

/** What may go as slowly as the guard allows; each a part from 0 to 1 of its deadline. */
interface Slowness {
  readonly reading: number
  readonly look: number
  readonly step: number
  readonly report: number
  readonly pause: number
}

/**
 * A site that is cut off at the instant at which the witness names another one: a question that was asked before is
 * still answered as it was true then. Its guard begins a new life once, `restartsAt` later. Returns when its last part
 * was shut, from that instant.
 */
async function closedAfter(
  rules: { readonly every: number; readonly silence: number; readonly closeAfter: number },
  slow: Slowness,
  restartsAt: number | null,
): Promise<number> {
  const toy = toySite()
  // It has been proven active, and stands anywhere in its round.
  const named = toy.now + rules.every * 3 + 1_234
  let closedAt = Number.POSITIVE_INFINITY
  toy.onReading = () => {
    toy.witness = toy.now < named ? RECORD : null
    toy.now += slow.reading * READ_DEADLINE
  }
  let looks = 0
  toy.onLooking = () => {
    // Both parts are looked at side by side.
    if (looks++ % 2 === 0) toy.now += slow.look * LOOK_DEADLINE
  }
  toy.broken.application = async () => {
    toy.now += slow.step * STEP_DEADLINE
    closedAt = toy.now
  }
  toy.broken.database = async () => {
    closedAt = toy.now
  }
  const within = closesWithin(rules) ?? 0
  const options = {
    site: 'dc-a',
    every: rules.every,
    rules,
    random: slow.pause,
    reporting: slow.report * REPORT_DEADLINE,
  }
  if (restartsAt !== null) {
    await watch(toy, { ...options, until: named + restartsAt - toy.now })
    toy.knowledge = null
  }
  await watch(toy, { ...options, until: Math.max(1, named + within + 1_000 - toy.now) })
  return closedAt - named
}

describe('a failover that waits as long as the guard says', () => {
  test('waits for no guard that leaves a proven site open for ever', () => {
    expect(closesWithin({ silence: 60_000, closeAfter: null, every: 5_000 })).toBeNull()
  })

  test('never ends before a guard that lives has shut its site, however slow it is within its deadlines, and though it starts anew once', async () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          // The toy's time jumps: its guard gives no sign of life in a report, a pause and a reading.
          every: fc.integer({ min: 1_000, max: 10_000 }),
          silence: fc.integer({ min: 25_000, max: 120_000 }),
          closeAfter: fc.integer({ min: 1_000, max: 120_000 }),
        }),
        fc.record({ reading: part, look: part, step: part, report: part, pause: part }),
        fc.option(part),
        async (rules, slow, restarts) => {
          const closed = await closedAfter(
            rules,
            slow,
            restarts === null ? null : Math.ceil(restarts * rules.closeAfter),
          )
          expect(closed).toBeLessThanOrEqual(closesWithin(rules) ?? 0)
        },
      ),
      { numRuns: rounds(60) },
    )
  }, 60_000)

  test('is as long as the slowest guard that starts anew at the worst moment, and not much longer', async () => {
    const rules = { every: 5_000, silence: 60_000, closeAfter: 60_000 }
    const slowest = await closedAfter(rules, { reading: 1, look: 1, step: 1, report: 1, pause: 1 }, 59_000)
    expect(slowest).toBeGreaterThan((closesWithin(rules) ?? 0) - 30_000)
    expect(slowest).toBeLessThanOrEqual(closesWithin(rules) ?? 0)
  })
})
