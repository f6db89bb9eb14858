import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { COMPONENT, patienceOver, SITE } from '../../../src/clients/patience.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { observe } from '../../../src/observation/observe.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { toyDriver, toyWorld } from '../../support/toy-stack.ts'

const toy = { writer: 'dc-b' as const, effects: [] }
const later = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, ms, value))

/** A site whose connection stands after one round trip, and whose identity comes after three more. */
function siteOver(roundTrip: number, answers: boolean) {
  const contact: { roundTrip: number | null; heardAt: number | null } = { roundTrip: null, heardAt: null }
  const connect = async (): Promise<void> => {
    await later(roundTrip, null)
    contact.roundTrip = roundTrip
  }
  const ask = async (value: string): Promise<string> => {
    await connect()
    return answers ? later(3 * roundTrip, value) : new Promise<never>(() => undefined)
  }
  return { contact, clusterId: () => ask('uid-dc-a'), version: () => ask('v1.34'), list: async () => [] }
}

async function seen(site: object, deadline: number) {
  const world = toyWorld(toy, memoryStore())
  const alive = { clusterId: async () => 'uid-dc-b', version: async () => 'v1.34', list: async () => [] }
  const context = {
    ...world.context,
    platform: (_key: unknown, name: SiteName) => (name === 'dc-a' ? site : alive),
  } as unknown as DriverContext
  const [begun, awake] = [performance.now(), awakeClock()]
  const { sites } = await observe(context, memoryStore(), { toy: liftedDriver(toyDriver(toy)) }, deadline)
  return { view: sites['dc-a'], took: performance.now() - begun, awake: awake() }
}

describe('the patience with a site', () => {
  test('lets one that answers over 1.5 s of round trip take its time', async () => {
    const { view, took } = await seen(siteOver(1_500, true), 3_000)
    expect(view).toMatchObject({ kind: 'answering' })
    expect(took).toBeGreaterThan(5_900)
  }, 20_000)

  test('ends after the bound of silence where the way is fast and nothing comes', async () => {
    const { view, awake } = await seen(siteOver(5, false), 1_000)
    expect(view).toMatchObject({ kind: 'silent', cause: 'no-answer' })
    expect(awake).toBeLessThan(1_800)
  })

  test('is the bound of silence without a connection, grows with the round trip, and ends', () => {
    const [least, most] = [3_000, 15_000]
    expect(patienceOver({ roundTrip: null }, least, SITE.trips, most)).toBe(least)
    expect(patienceOver({ roundTrip: 50 }, least, SITE.trips, most)).toBe(least)
    const grows = (a: number, b: number): boolean =>
      a > b ||
      [SITE, COMPONENT].every(
        (of) =>
          patienceOver({ roundTrip: a }, least, of.trips, of.most) <=
          patienceOver({ roundTrip: b }, least, of.trips, of.most),
      )
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true }), grows),
    )
    expect(Number.isInteger(patienceOver({ roundTrip: 1_234.567 }, least, SITE.trips, most))).toBe(true)
    expect(patienceOver({ roundTrip: 1e9 }, least, SITE.trips, SITE.most)).toBe(SITE.most)
  })
})
