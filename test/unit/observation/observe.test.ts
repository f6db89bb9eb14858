import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { observe } from '../../../src/observation/observe.ts'
import { KUBERNETES } from '../../../src/platform/kubernetes/key.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { toyDriver, toyWorld } from '../../support/toy-stack.ts'

const never = new Promise<never>(() => undefined)
const toy = { writer: 'dc-a' as const, effects: [] }

function contextWith(
  answers: Partial<Record<string, () => Promise<string>>>,
  signal = new AbortController().signal,
): DriverContext {
  const world = toyWorld(toy, memoryStore(), { signal })
  return {
    ...world.context,
    platform: (_key: unknown, name: SiteName) => ({
      clusterId: answers[name] ?? (async () => `uid-${name}`),
      version: async () => 'v1.34',
    }),
  } as unknown as DriverContext
}

describe('an observation', () => {
  test('ends in time when a site never answers, and still shows the other one', async () => {
    const took = awakeClock()
    const seen = await observe(
      contextWith({ 'dc-a': () => never }),
      memoryStore(),
      { toy: liftedDriver(toyDriver(toy)) },
      200,
    )
    expect(took()).toBeLessThan(1_000)
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'silent', triedFrom: ['this runner'] })
    expect(seen.sites['dc-b']?.kind).toBe('answering')
    expect(seen.components.database?.['dc-a']?.kind).toBe('silent')
    expect(seen.components.database?.['dc-b']?.kind).toBe('answering')
  })

  test('counts the nodes that are ready, and does without where it may not ask', async () => {
    const node = (ready: string) => ({ status: { conditions: [{ type: 'Ready', status: ready }] } })
    const listing = (list: () => Promise<unknown>) => {
      const context = contextWith({})
      return {
        ...context,
        platform: (_key: unknown, name: SiteName) => ({ ...context.platform(KUBERNETES, name), list }),
      } as unknown as DriverContext
    }
    const seenWith = async (list: () => Promise<unknown>) =>
      (await observe(listing(list), memoryStore(), { toy: liftedDriver(toyDriver(toy)) })).sites['dc-a']
    expect(await seenWith(async () => [node('True'), node('Unknown')])).toMatchObject({
      kind: 'answering',
      parts: { ready: 1, total: 2 },
    })
    const refused = await seenWith(async () => Promise.reject(new Error('forbidden')))
    expect(refused?.kind).toBe('answering')
    expect(refused).not.toHaveProperty('parts')
  })

  test('reads nothing from a cluster that is not the declared one', async () => {
    const asked: (string | null)[] = []
    const driver = {
      ...toyDriver(toy),
      observe: async (_: unknown, site: string | null) => {
        asked.push(site)
        return { kind: 'absent' as const, why: '' }
      },
    }
    const seen = await observe(contextWith({ 'dc-b': async () => 'uid-of-another' }), memoryStore(), {
      toy: liftedDriver(driver),
    })
    expect(seen.sites['dc-b']).toEqual({ kind: 'stranger', identity: 'uid-of-another' })
    expect(asked).toEqual(['dc-a', 'dc-a'])
  })

  test('a component that throws is silent with the reason, not an error of the whole', async () => {
    const driver = { ...toyDriver(toy), observe: async () => Promise.reject(new Error('no such pod')) }
    const seen = await observe(contextWith({}), memoryStore(), { toy: liftedDriver(driver) })
    expect(seen.components.database?.['dc-a']).toEqual({ kind: 'silent', why: 'no such pod' })
  })

  test('a silent witness is a value', async () => {
    const store = { ...memoryStore(), get: () => never }
    const seen = await observe(contextWith({}), store, { toy: liftedDriver(toyDriver(toy)) }, 100)
    expect(seen.witness.kind).toBe('silent')
  })

  test('a cancellation by a person is not mistaken for silence', async () => {
    const cancel = new AbortController()
    const seen = observe(
      contextWith({ 'dc-a': () => never }, cancel.signal),
      memoryStore(),
      { toy: liftedDriver(toyDriver(toy)) },
      5_000,
    )
    cancel.abort(new Error('cancelled'))
    await expect(seen).rejects.toThrow('cancelled')
  })
})
